"""FLUX.1 Canny and Depth, described without torch: which role of image they read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from underpaint.engine.controls.describe import TRAITS_FILE, named_roles
from underpaint.engine.families.folder import unusable


def role_of(folder: Path, notes: Mapping[str, Any]) -> str:
    """The role that such a model was trained for. Raises `ModelUnusable` where nothing tells it.

    `notes` is what `underpaint.json` says; else the name of its folder or file, or that of a cache.
    """
    named = notes.get("shown_role")
    if isinstance(named, str) and named:
        return named
    known = [folder.name, folder.parent.parent.name if folder.parent.name == "snapshots" else ""]
    roles = [role for name in known for role in named_roles(name)]
    if not roles:
        raise unusable(
            folder,
            'it reads a control image, and nothing says of which role. Write { "shown_role": "depth" } (or '
            f'"canny") into {f"{folder.stem}." if folder.is_file() else "its "}{TRAITS_FILE}',
        )
    return roles[0]
