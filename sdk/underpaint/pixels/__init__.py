"""Pixels between processes: mapped files and chunks."""
