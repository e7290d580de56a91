"""Whose folder a root is: ComfyUI's, A1111's, StabilityMatrix's, the Hugging Face cache, or a plain one."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from underpaint.daemon.roots import a1111, comfyui, extra_paths, hugging_face, stability_matrix
from underpaint.daemon.roots.folders import Layout, ModelFolder

PLAIN: Final = "plain"
_READERS = (stability_matrix.read, a1111.read, comfyui.read, hugging_face.read)


def read(root: Path) -> Layout:
    """The folders of a root. Looks at names only; what cannot be read is in `problem`."""
    try:
        if root.suffix.lower() in (".yaml", ".yml") and root.is_file():
            return extra_paths.read(root)
        for reader in _READERS:
            found = reader(root)
            if found is not None:
                return found
        if not root.is_dir():
            return Layout(PLAIN, problem="there is no such folder")
    except OSError as error:
        return Layout(PLAIN, problem=f"{error.filename or root}: {error.strerror}")
    return Layout(PLAIN, (ModelFolder(root),))
