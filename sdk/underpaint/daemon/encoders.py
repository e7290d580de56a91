"""Image encoders on disk: folders of transformers' CLIPVisionModelWithProjection or SiglipVisionModel.

The whole of CLIP (`CLIPModel`) serves as well: its half for pictures is what is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

CONFIG = "config.json"
FOLDER = "image_encoder"
"""How adapters' repositories name it."""


def encoder_for(adapter: Path, needs: str, known: Iterable[Path]) -> Path | None:
    """The folder of an encoder that an adapter can look through: in it, or beside it, else of `known`.

    `needs` is `ControlTraits.encoder`. Blocking.
    """
    home = adapter.parent
    near = [adapter / FOLDER, home / FOLDER, home.parent / FOLDER, home.parent / "models" / FOLDER]
    return next((folder for folder in [*near, *known] if needs in _offers(folder)), None)


def lacking(needs: str) -> str:
    """What is wrong with an adapter that has none, and what to do."""
    return (
        f"it looks through an image encoder that {'is ' * needs.endswith('wide')}{needs}, and there is none. "
        f"Put its folder ({CONFIG} and safetensors, transformers' CLIPVisionModelWithProjection) beside it "
        f"and name it {FOLDER}, or put it into a model root"
    )


def _offers(folder: Path) -> tuple[str, ...]:
    try:
        config = json.loads((folder / CONFIG).read_text("utf-8"))
    except (OSError, ValueError):
        return ()
    if not isinstance(config, dict) or not any(folder.glob("*.safetensors")):
        return ()
    if config.get("model_type") == "siglip_vision_model":
        return (f"SigLIP, {config.get('hidden_size', 768)} wide",)
    if config.get("model_type") == "clip":
        # Both halves in one folder, as OpenAI released them.
        config = config.get("vision_config") or {}
    elif config.get("model_type") != "clip_vision_model":
        return ()
    return f"projects to {config.get('projection_dim', 512)}", f"{config.get('hidden_size', 768)} wide"
