"""Image encoders on disk, CLIP's or SigLIP's: files, or folders as transformers writes them.

The whole of CLIP serves as well: its half for pictures is what is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from underpaint.errors import ModelUnusable
from underpaint.weights.image_encoders import image_encoder_config, offers
from underpaint.weights.safetensors import read_safetensors

CONFIG = "config.json"
FOLDER = "image_encoder"
"""How adapters' repositories name it."""


def encoder_for(adapter: Path, needs: str, known: Iterable[Path]) -> Path | None:
    """The folder or file of an encoder that an adapter can look through: in it, beside it, else of `known`.

    `needs` is `ControlTraits.encoder`, `known` are weight files. Blocking.
    """
    home = adapter.parent
    near = [adapter / FOLDER, home / FOLDER, home.parent / FOLDER, home.parent / "models" / FOLDER]
    # A folder's configuration says more than its file's header.
    anywhere = [place for file in known for place in (file.parent, file)]
    return next((place for place in [*near, *anywhere] if needs in _offers(place)), None)


def lacking(needs: str) -> str:
    """What is wrong with an adapter that has none, and what to do."""
    kind = "SiglipVisionModel" if needs.startswith("SigLIP") else "CLIPVisionModelWithProjection"
    return (
        f"it looks through an image encoder that {'is ' * needs.endswith('wide')}{needs}, and there is none. "
        "Put its file, as ComfyUI's clip_vision has it, into a model root, or its folder "
        f"({CONFIG} and safetensors, transformers' {kind}), or the folder beside it, named {FOLDER}"
    )


def _offers(place: Path) -> tuple[str, ...]:
    try:
        if place.is_file():
            status = place.stat()
            return _offers_of_file(place, status.st_size, status.st_mtime_ns)
        config = json.loads((place / CONFIG).read_text("utf-8"))
    except (OSError, ValueError, ModelUnusable):
        return ()
    if not isinstance(config, dict) or not any(place.glob("*.safetensors")):
        return ()
    return offers(config)


@lru_cache(maxsize=64)
def _offers_of_file(path: Path, size: int, changed: int) -> tuple[str, ...]:
    return offers(image_encoder_config(read_safetensors(path)) or {})
