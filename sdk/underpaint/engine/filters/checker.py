"""What the safety checker does in a worker. Its own weights are on the CPU, loaded at the first picture."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as Pictures

from underpaint.engine.filters.safety_checker import MESSAGE, folder_of
from underpaint.engine.pixels.color import Floats

_one_at_a_time = threading.Lock()


def check_picture(picture: Floats, request: Mapping[str, object], options: Mapping[str, object]) -> str:
    """ "" or why not. `picture` is `(height, width, 4)`, 0.0 … 1.0; transparent parts count as white.

    Any thread. Raises `InvalidRequest` for options without a folder, `OSError` for one that cannot be read:
    the filter then refuses everything.
    """
    alpha = picture[..., 3:]
    seen = np.rint((picture[..., :3] * alpha + 1.0 - alpha) * 255.0).clip(0, 255).astype(np.uint8)
    with _one_at_a_time, torch.inference_mode():
        checker, processor = _loaded(folder_of(options))
        pixels = processor([Pictures.fromarray(seen)], return_tensors="pt").pixel_values
        # It blackens what it is given where it finds something: it gets nothing of the picture.
        _, found = checker(clip_input=pixels, images=np.zeros((1, 1, 1, 3), np.float32))
    return str(options.get("message") or MESSAGE) if any(found) else ""


@lru_cache(maxsize=1)
def _loaded(folder: Path) -> tuple[Any, Any]:
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPImageProcessor

    checker = StableDiffusionSafetyChecker.from_pretrained(
        folder, local_files_only=True, use_safetensors=True
    )
    edge = int(checker.config.vision_config.image_size)
    size = {"height": edge, "width": edge}
    return checker.eval(), CLIPImageProcessor(size={"shortest_edge": edge}, crop_size=size)
