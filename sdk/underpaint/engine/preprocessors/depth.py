"""Depth and normals by a network in a model root: Depth Anything, DPT, Depth Pro, ZoeDepth, GLPN."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import interpolate

from underpaint.engine.pixels.color import Floats
from underpaint.engine.preprocessors.networks import colours, image_processor, network
from underpaint.engine.preprocessors.surfaces import normal_from_depth

Check = Callable[[], None]
DEPTH_PRO, ZOE_DEPTH, GLPN, DPT = "depth_pro", "zoedepth", "glpn", "dpt"
METRIC: Final = (ZOE_DEPTH, GLPN)
"""Kinds of networks that answer in metres, whatever they were trained on."""
NEAREST: Final = 1e-3
"""In metres."""


def depth(picture: Floats, parameters: Mapping[str, float], check: Check, weights: Path) -> Floats:
    """How near each point is, `(height, width)`: 1.0 the nearest one, 0.0 the farthest one."""
    looks = network(weights, "AutoModelForDepthEstimation")
    check()
    shown = colours(picture)
    with torch.inference_mode():
        look = _by_depth_pro if looks.config.model_type == DEPTH_PRO else _by_its_processor
        near = look(shown, looks, weights).float().numpy()
    check()
    low, high = float(near.min()), float(near.max())
    if high <= low:
        return np.zeros(picture.shape[:2], np.float32)
    return np.asarray((near - low) / (high - low), np.float32)


def normal(picture: Floats, parameters: Mapping[str, float], check: Check, weights: Path) -> Floats:
    """Normals of that depth, as `surfaces.normal_from_depth` has them."""
    near = depth(picture, parameters, check, weights)
    return normal_from_depth(near[..., None].repeat(3, axis=2), {**parameters, "near_is_black": 0.0}, check)


def _by_its_processor(shown: npt.NDArray[np.uint8], looks: Any, weights: Path) -> torch.Tensor:
    """Nearness up to scale and shift, at the picture's size."""
    processor, (height, width) = image_processor(weights), shown.shape[:2]
    near = looks(**processor(images=shown, return_tensors="pt")).predicted_depth
    if answers_in_metres(looks.config):
        # Before it is scaled: what cubic weights do beside an edge must not be divided by.
        near = 1.0 / near.clamp(min=NEAREST)
    # As the processors have it, of which some want torchvision for that.
    padded = looks.config.model_type == ZOE_DEPTH and processor.do_pad
    down, across = (_mirrored(edge) if padded else 0 for edge in (height, width))
    whole = interpolate(near[None], (height + 2 * down, width + 2 * across), mode="bicubic")[0, 0]
    return whole[down : down + height, across : across + width]


def _mirrored(edge: int) -> int:
    """How many pixels ZoeDepth looks at beyond an edge of the picture: Bhat et al. 2023, their code."""
    return int((edge / 2.0) ** 0.5 * 3.0)


def _by_depth_pro(shown: npt.NDArray[np.uint8], looks: Any, weights: Path) -> torch.Tensor:
    """The same: its image processor is torchvision's alone. It answers with nearness for a field of view."""
    said = json.loads((weights / "preprocessor_config.json").read_text("utf-8"))
    mean, deviation = (torch.tensor(said[key])[:, None, None] for key in ("image_mean", "image_std"))
    pixels = (torch.from_numpy(shown).permute(2, 0, 1) / 255.0 - mean) / deviation
    size = said["size"]["height"], said["size"]["width"]
    answer = looks(interpolate(pixels[None], size, mode="bilinear"))
    return interpolate(answer.predicted_depth[None], shown.shape[:2], mode="bilinear")[0, 0]


def answers_in_metres(config: Any) -> bool:
    """Whether a network answers with distances; the others answer with nearness (Ranftl et al. 2020)."""
    if config.model_type == DPT:
        # DINOv2's heads, for NYU and KITTI; MiDaS' own have other backbones.
        return getattr(config.backbone_config, "model_type", "") == "dinov2"
    return config.model_type in METRIC or getattr(config, "depth_estimation_type", "relative") == "metric"
