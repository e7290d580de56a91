"""Depth by a network of transformers' that lies in a model root: DPT, Depth Anything and their kin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from underpaint.engine.pixels.color import Floats

_cv: Any = cv2
Check = Callable[[], None]


def depth(picture: Floats, parameters: Mapping[str, float], check: Check, weights: Path) -> Floats:
    """Bright is near: 1.0 the nearest point, 0.0 the farthest. On the CPU."""
    processor, network = _loaded(weights)
    check()
    colors = np.rint(np.clip(picture[..., :3], 0.0, 1.0) * 255.0).astype(np.uint8)
    with torch.inference_mode():
        found = network(**processor(images=colors, return_tensors="pt")).predicted_depth[0].float().numpy()
    check()
    if getattr(network.config, "depth_estimation_type", "relative") == "metric":
        # In metres; the others answer with nearness up to scale and shift (Ranftl et al. 2020).
        found = 1.0 / np.maximum(found, 1e-3)
    height, width = picture.shape[:2]
    near = _cv.resize(found, (width, height), interpolation=cv2.INTER_CUBIC)
    low, high = float(near.min()), float(near.max())
    if high <= low:
        return np.zeros((height, width), np.float32)
    return np.asarray((near - low) / (high - low), np.float32)


@lru_cache(maxsize=1)
def _loaded(weights: Path) -> tuple[Any, Any]:
    from transformers import AutoImageProcessor, AutoModelForDepthEstimation

    processors: Any = AutoImageProcessor
    networks: Any = AutoModelForDepthEstimation
    processor = processors.from_pretrained(weights, local_files_only=True)
    network = networks.from_pretrained(weights, local_files_only=True, use_safetensors=True)
    return processor, network.eval().requires_grad_(False)
