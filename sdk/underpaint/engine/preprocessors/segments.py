"""What each part of a picture shows, by a network that lies in a model root: areas in colours, or a mask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from underpaint.engine.pixels.color import Floats
from underpaint.engine.preprocessors.ade20k import colours_for
from underpaint.engine.preprocessors.networks import colours, image_processor, network
from underpaint.errors import InvalidRequest, Violation

Check = Callable[[], None]
Labels = npt.NDArray[np.int64]
KIND = "AutoModelForSemanticSegmentation"

BAND = 1 << 24
"""Scores that are held at a time: at full size a picture has 150 a pixel."""


def segmentation(picture: Floats, parameters: Mapping[str, float], check: Check, weights: Path) -> Floats:
    """Each pixel in ADE20K's colour for what it shows, `(height, width, 3)`; black where it has none."""
    found = _labels(picture, check, weights)
    return np.asarray(colours_for(_names(weights))[found] / np.float32(255.0), np.float32)


def class_mask(picture: Floats, parameters: Mapping[str, float], check: Check, weights: Path) -> Floats:
    """1.0 where a pixel shows the class `class`, a number of the network's own; 0.0 elsewhere.

    Raises `InvalidRequest` for a number that the network does not know.
    """
    names, wanted = _names(weights), round(parameters["class"])
    if wanted >= len(names):
        fault = Violation(
            "parameters.class", f"must be 0 to {len(names) - 1} for the network in {weights}, got {wanted}"
        )
        raise InvalidRequest(f"{fault.field} {fault.description}.", violations=[fault])
    return np.asarray(_labels(picture, check, weights) == wanted, np.float32)


def strongest(scores: torch.Tensor, height: int, width: int, check: Check) -> Labels:
    """The class with the highest score for each pixel of a picture, `(height, width)`.

    Scores `(classes, rows, columns)` lie over the whole picture; between them they are bilinear, as
    `torch.nn.functional.interpolate` has them. A band of rows is done at a time.
    """
    classes, rows, columns = scores.shape
    found = np.empty((height, width), np.int64)
    tall = max(1, BAND // (classes * width))
    for top in range(0, height, tall):
        check()
        centres = torch.arange(top, min(top + tall, height), dtype=torch.float32) + 0.5
        places = (centres * (rows / height) - 0.5).clamp(min=0.0)
        above = places.floor().long()
        share = (places - above)[:, None]
        band = scores[:, above] * (1.0 - share) + scores[:, (above + 1).clamp(max=rows - 1)] * share
        wide = torch.nn.functional.interpolate(band[None], (len(places), width), mode="bilinear")
        found[top : top + tall] = wide[0].argmax(0).numpy()
    return found


def _labels(picture: Floats, check: Check, weights: Path) -> Labels:
    processor, looks = image_processor(weights), network(weights, KIND)
    check()
    with torch.inference_mode():
        scores = looks(**processor(images=colours(picture), return_tensors="pt")).logits[0].float()
        check()
        return strongest(scores, picture.shape[0], picture.shape[1], check)


def _names(weights: Path) -> list[str]:
    known: Mapping[Any, str] = network(weights, KIND).config.id2label
    return [str(known[number]) for number in sorted(known)]
