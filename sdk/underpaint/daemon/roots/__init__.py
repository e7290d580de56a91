"""Roots: folders that the user named, and how other programs lay their models out in them.

Nothing is looked for outside of what settings, the user's list and plug-ins name.
"""
