# SPDX-License-Identifier: GPL-3.0-or-later
"""underpaint for Krita: fills selections and makes layers with a diffusion model on this computer.

Krita imports this package at its start when the plug-in is enabled.
"""

from __future__ import annotations

from .plugin import register

register()
