"""Where other programs keep their models by themselves. Looked at only when somebody asks for it.

Each place is asked for by name; nothing below a home folder is searched.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from underpaint.daemon.roots import layouts
from underpaint.daemon.roots.folders import Layout

_HOMES = (
    "ComfyUI",
    "Documents/ComfyUI",
    "comfy/ComfyUI",
    "stable-diffusion-webui",
    "stable-diffusion-webui-forge",
    "StabilityMatrix",
)


def find(environ: Mapping[str, str] | None = None, home: Path | None = None) -> list[tuple[Path, Layout]]:
    """Places that are there and hold models of another program."""
    found = []
    for place in _places(os.environ if environ is None else environ, home or Path.home()):
        layout = layouts.read(place)
        if layout.name != layouts.PLAIN:
            found.append((place, layout))
    return found


def hugging_face_cache(environ: Mapping[str, str], home: Path) -> Path:
    """As huggingface_hub finds it: HF_HUB_CACHE, else `hub` in HF_HOME, else in the user's cache folder."""
    if environ.get("HF_HUB_CACHE"):
        return Path(environ["HF_HUB_CACHE"]).expanduser()
    if environ.get("HF_HOME"):
        return Path(environ["HF_HOME"]).expanduser() / "hub"
    cache = Path(environ.get("XDG_CACHE_HOME") or home / ".cache").expanduser()
    return cache / "huggingface" / "hub"


def _places(environ: Mapping[str, str], home: Path) -> Iterator[Path]:
    yield from (home / place for place in _HOMES)
    if sys.platform == "win32" and environ.get("APPDATA"):
        yield Path(environ["APPDATA"]) / "StabilityMatrix"
    else:
        share = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share").expanduser()
        yield share / "StabilityMatrix"
    yield hugging_face_cache(environ, home)
