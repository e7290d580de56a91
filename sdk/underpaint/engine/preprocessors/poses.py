"""People's poses by networks that lie in a model root: one finds joints, another, if there is one, people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from underpaint.engine.pixels.color import Floats
from underpaint.engine.preprocessors import skeleton
from underpaint.engine.preprocessors.joints import Box, peaks
from underpaint.engine.preprocessors.networks import colours, image_processor, network
from underpaint.errors import ModelUnusable

Check = Callable[[], None]
Colours = npt.NDArray[np.uint8]
Person = tuple[float, float, float, float]
"""Left, top, width and height of a person in a picture, in pixels."""
AT_ONCE = 8
"""People in one pass of the network."""
JOINTS = 17
"""Of COCO."""
_COCO = 0
"""Which of its datasets a network of several experts (ViTPose++) is asked about."""


def pose(
    picture: Floats, parameters: Mapping[str, float], check: Check, weights: Path, helper: Path | None
) -> Floats:
    """Each person's bones, `(height, width, 3)`, as `skeleton.drawn` draws them; black where nobody is.

    Without a `helper` that finds people, the picture is taken for one of a single person.
    """
    height, width = picture.shape[:2]
    shown = colours(picture)
    check()
    people: Sequence[Person] = [(0.0, 0.0, float(width), float(height))]
    if helper is not None:
        people = people_in(shown, helper, parameters["people"])
    found = skeleton.from_coco(joints_of(people, shown, weights, check))
    check()
    return skeleton.drawn(found, width, height, parameters["joints"])


def people_in(shown: Colours, weights: Path, least: float) -> list[Person]:
    """The people that a network finds, those that it is surer of than `least`, the least sure one first."""
    processor, looks = image_processor(weights), network(weights, "AutoModelForObjectDetection")
    named: Mapping[int, str] = looks.config.id2label
    person = [number for number, name in named.items() if name.lower() == "person"]
    if not person:
        raise ModelUnusable(
            f"The network in {weights} finds no people: its config.json names no class 'person'. Remove it "
            "from the model roots, or put one there that was trained on COCO.",
            metadata={"path": str(weights)},
        )
    with torch.inference_mode():
        answer = looks(**processor(images=shown, return_tensors="pt"))
    (found,) = processor.post_process_object_detection(
        answer, threshold=least, target_sizes=[shown.shape[:2]]
    )
    order = found["scores"].argsort().tolist()
    boxes = [found["boxes"][index].tolist() for index in order if int(found["labels"][index]) in person]
    return [(left, top, right - left, bottom - top) for left, top, right, bottom in boxes]


def joints_of(people: Sequence[Person], shown: Colours, weights: Path, check: Check) -> Floats:
    """COCO's joints of each person, `(people, 17, 3)`: x, y in pixels of the picture, and how sure."""
    processor, looks = image_processor(weights), network(weights, "VitPoseForPoseEstimation")
    width, height = processor.size["width"], processor.size["height"]
    boxes = [Box.around(*person, width / height) for person in people]
    found = np.empty((len(boxes), JOINTS, 3), np.float32)
    for first in range(0, len(boxes), AT_ONCE):
        check()
        some = boxes[first : first + AT_ONCE]
        maps = _maps([box.cut(shown, width, height) for box in some], processor, looks)
        if maps.shape[1] != JOINTS:
            raise ModelUnusable(
                f"The network in {weights} finds {maps.shape[1]} joints, not COCO's {JOINTS}: put another "
                "one into a model root.",
                metadata={"path": str(weights)},
            )
        for number, (box, heat) in enumerate(zip(some, maps, strict=True), first):
            found[number] = peaks(heat)
            found[number, :, :2] = box.back(found[number, :, :2], heat.shape[2], heat.shape[1])
    return found


def _maps(parts: Sequence[Colours], processor: Any, looks: Any) -> Floats:
    """Heat maps `(people, joints, rows, columns)`."""
    # The parts are cut already: transformers would want scipy for it.
    everywhere = [[[0.0, 0.0, 1.0, 1.0]]] * len(parts)
    pixels = processor(images=list(parts), boxes=everywhere, do_affine_transform=False, return_tensors="pt")
    more = {}
    if looks.config.backbone_config.num_experts > 1:
        more["dataset_index"] = torch.full((len(parts),), _COCO)
    with torch.inference_mode():
        return np.asarray(looks(**pixels, **more).heatmaps.float().numpy(), np.float32)
