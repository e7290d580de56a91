"""The control images of a job, cut to what it paints and at the sizes of its passes. No torch, any thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from underpaint.engine.family import Assignment
from underpaint.engine.functions import blaming, preprocessor
from underpaint.engine.inpaint import resize
from underpaint.engine.pixels import Raster, canonicalise, coverage
from underpaint.engine.pixels.color import Floats
from underpaint.engine.preprocessing import as_rgba
from underpaint.errors import InvalidRequest, Violation
from underpaint.geometry import Size
from underpaint.types import Bounds, Tiling
from underpaint.v1 import image_pb2, job_service_pb2
from underpaint.weights import kinds
from underpaint.wire.controls import complete_control
from underpaint.worker_v1.worker_service_pb2 import ControlSource

PAPER, NOTHING = 1.0, 0.0
"""What transparent parts count as: a drawing lies on white paper; for a control net, black is nothing."""


@dataclass(frozen=True, eq=False)
class Reference:
    """A picture that is looked at whole, wherever it lies."""

    pixels: NDArray[np.uint8]
    """RGB `(height, width, 3)`."""
    digest: bytes
    """Of its content."""
    encoder: Path
    """The image encoder's folder."""


@dataclass(frozen=True, eq=False)
class PlannedControl:
    """One control of a job."""

    folder: Path
    """The control model's, or its file."""
    pictures: Mapping[Size, Floats]
    """What the control model sees in a pass of that size, RGB `(height, width, 3)`; a reference: none."""
    masks: Mapping[Size, Floats] | None
    """Where it counts, `(height, width)`, for a pass of that size; None: everywhere."""
    strength: float
    start: float
    end: float
    kind: str = kinds.CONTROL_NET
    role: str = ""
    reference: Reference | None = None
    """For kinds that look at a picture as a whole."""

    def counts(self, begin: float, end: float) -> bool:
        """Whether it counts in a step that covers this share of all steps."""
        return not (begin < self.start or end > self.end)


def plan_controls(
    assignment: Assignment,
    spec: job_service_pb2.JobSpec,
    window: Bounds,
    sizes: Sequence[Size],
    tiling: Tiling,
) -> tuple[PlannedControl, ...]:
    """The controls of a job that paints `window` of the canvas in passes of `sizes`; fills in `spec`'s own.

    Preprocessors look at the pictures at each pass's size, so that lines are as wide as the nets know them.
    Raises `InvalidRequest` for pixels that are missing or lie beside the window, `PluginFailed`,
    `JobCancelled`.
    """
    if len(assignment.controls) != len(spec.controls):
        fault = Violation("spec.controls", "came without the control models that it names")
        raise InvalidRequest(f"{fault.field} {fault.description}. Submit the job again.", violations=[fault])
    planned = []
    for number, (control, source) in enumerate(zip(spec.controls, assignment.controls, strict=True)):
        assignment.check()
        complete_control(control)
        where = f"spec.controls[{number}]"
        pictures: Mapping[Size, Floats] = {}
        reference = None
        if source.image_encoder:
            reference = _reference(assignment, control, source, f"{where}.image")
            mask = np.ones((window.height, window.width), np.float32)
        else:
            pictures, mask = _pictures(assignment, control, source, f"{where}.image", window, sizes, tiling)
        if control.HasField("mask"):
            raster = _input(assignment, control.mask, f"{where}.mask")
            values, place = _cut(coverage(raster), control.mask, f"{where}.mask", window)
            mask = mask * _place(values, place, window, outside=0.0)
        planned.append(
            PlannedControl(
                Path(source.path),
                pictures,
                None if (mask >= 1.0).all() else {size: resize(mask, size, tiling) for size in set(sizes)},
                control.strength,
                control.start,
                control.end,
                source.kind or kinds.CONTROL_NET,
                control.role,
                reference,
            )
        )
    return tuple(planned)


def _pictures(
    assignment: Assignment,
    control: job_service_pb2.Control,
    source: ControlSource,
    where: str,
    window: Bounds,
    sizes: Sequence[Size],
    tiling: Tiling,
) -> tuple[dict[Size, Floats], Floats]:
    """The picture at each size, and the part of the window that it reaches: 1.0 there, 0.0 elsewhere."""
    raster = _input(assignment, control.image, where)
    rgba, place = _cut(canonicalise(raster), control.image, where, window)
    seen = _on(rgba, PAPER if control.preprocessor else NOTHING)
    whole = _place(seen, place, window, outside=None)
    pictures = {size: resize(whole, size, tiling) for size in set(sizes)}
    if control.preprocessor:
        for size, picture in pictures.items():
            pictures[size] = _preprocessed(assignment, control, source, picture)
    reach = _place(np.ones((place.height, place.width), np.float32), place, window, outside=0.0)
    return pictures, reach


def _reference(
    assignment: Assignment, control: job_service_pb2.Control, source: ControlSource, where: str
) -> Reference:
    """A picture as an image encoder sees it: whole, in 8 bits, on white paper."""
    seen = _on(canonicalise(_input(assignment, control.image, where)), PAPER)
    if control.preprocessor:
        seen = _preprocessed(assignment, control, source, seen)
    pixels = np.rint(np.clip(seen, 0.0, 1.0) * 255.0).astype(np.uint8)
    digest = blake2b(repr(pixels.shape).encode() + pixels.tobytes(), digest_size=16).digest()
    return Reference(pixels, digest, Path(source.image_encoder))


def _preprocessed(
    assignment: Assignment, control: job_service_pb2.Control, source: ControlSource, picture: Floats
) -> Floats:
    assignment.check()
    function = preprocessor(source.preprocessor)
    opaque = np.concatenate([picture, np.ones((*picture.shape[:2], 1), np.float32)], axis=2)
    with blaming(source.preprocessor.name):
        made = function(opaque, dict(control.parameters), assignment.check)
        return as_rgba(made, opaque)[..., :3]


def _on(rgba: Floats, ground: float) -> Floats:
    """Straight RGBA over a grey ground, as RGB in 0.0 … 1.0."""
    color = np.clip(np.nan_to_num(rgba[..., :3], nan=0.0), 0.0, 1.0)
    alpha = np.clip(rgba[..., 3:], 0.0, 1.0)
    return np.asarray(color * alpha + np.float32(ground) * (1.0 - alpha), np.float32)


def _input(assignment: Assignment, reference: image_pb2.ImageRef, where: str) -> Raster:
    raster = assignment.inputs.get(reference.blob)
    if raster is None:
        fault = Violation(where, f"refers to {reference.blob!r}, which did not come with the job")
        raise InvalidRequest(f"{where} {fault.description}. Upload it and submit again.", violations=[fault])
    return raster


def _cut(values: Floats, reference: image_pb2.ImageRef, where: str, window: Bounds) -> tuple[Floats, Bounds]:
    """The part of an array inside the window, and where on the canvas that is."""
    height, width = values.shape[:2]
    whole = Bounds(reference.x_px, reference.y_px, width, height)
    part = whole.intersect(window)
    if part.is_empty:
        fault = Violation(where, "lies beside the picture that the job paints")
        raise InvalidRequest(f"{where} {fault.description}. Move it, or leave it out.", violations=[fault])
    left, top = part.x - whole.x, part.y - whole.y
    return values[top : top + part.height, left : left + part.width], part


def _place(values: Floats, place: Bounds, window: Bounds, outside: float | None) -> Floats:
    """An array at its place in the window; around it `outside`, or None: its own rim, which makes no edge."""
    if place == window:
        return values
    above, left = place.y - window.y, place.x - window.x
    around = [
        (above, window.height - above - place.height),
        (left, window.width - left - place.width),
        *[(0, 0)] * (values.ndim - 2),
    ]
    if outside is None:
        return np.pad(values, around, mode="edge")
    return np.pad(values, around, constant_values=outside)
