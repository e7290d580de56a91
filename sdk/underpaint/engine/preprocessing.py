"""Jobs that make a control image or a mask: no model, no device; a plug-in's function on a pixel thread."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from underpaint.engine.family import Assignment, Picture, Task
from underpaint.engine.functions import blaming, preprocessor
from underpaint.engine.pixels import canonicalise, encode, fill_transparent
from underpaint.engine.pixels.color import Floats
from underpaint.errors import InvalidRequest, Violation
from underpaint.types import PlannedStage, Preview, StageKind
from underpaint.wire.images import format_of
from underpaint.wire.limits import check_spec, raise_for
from underpaint.worker_v1.worker_service_pb2 import PluginFunction


@dataclass(kw_only=True)
class PreprocessTask(Task):
    """One preprocessing. Its only stage is the work of `finish`."""

    assignment: Assignment


class Preprocessing:
    """What `underpaint.engine.family.Family` asks for, where there is no model."""

    loaded = True

    def __init__(self, function: PluginFunction) -> None:
        self._name = function.name
        self._function = preprocessor(function)

    def prepare(self, assignment: Assignment) -> PreprocessTask:
        """Checks the specification; parameters were completed and checked by the daemon."""
        raise_for(check_spec(assignment.spec))
        blob = assignment.spec.preprocess.image.blob
        if blob not in assignment.inputs:
            fault = Violation("spec.preprocess.image", f"refers to {blob!r}, which did not come with the job")
            raise InvalidRequest(f"{fault.field} {fault.description}. Upload it again.", violations=[fault])
        format_of(assignment.spec.output_layout, field="spec.output_layout")
        plan = (PlannedStage(StageKind.PREPROCESSING),)
        return PreprocessTask(job=assignment.job, plan=plan, resolved=assignment.spec, assignment=assignment)

    def finish(self, task: Task) -> Sequence[Picture]:
        """Runs the function and encodes what it made, in the picture's place."""
        assignment = cast(PreprocessTask, task).assignment
        request = assignment.spec.preprocess
        rgba = canonicalise(assignment.inputs[request.image.blob])
        picture = np.concatenate([fill_transparent(rgba), np.clip(rgba[..., 3:], 0.0, 1.0)], axis=2)
        assignment.check()
        with blaming(self._name):
            made = as_rgba(self._function(picture, dict(request.parameters), assignment.check), picture)
        format = format_of(assignment.spec.output_layout)
        return [Picture(encode(made, format), format, request.image.x_px, request.image.y_px)]

    def weights(self) -> Mapping[str, str]:
        """There are none."""
        return {}

    def bucket(self, task: Task) -> Hashable:
        """Alone; see `Family.bucket`."""
        return task.job

    def batch_limit(self, task: Task) -> int:
        """Alone; see `Family.batch_limit`."""
        return 1

    def step(self, tasks: Sequence[Task]) -> None:
        """Never called: nothing here needs the device."""
        raise AssertionError("finish() does this stage")

    def preview(self, task: Task) -> Preview | None:
        """There is none."""
        return None

    def load(self) -> None:
        """Nothing to load."""


def as_rgba(made: Any, picture: Floats) -> Floats:
    """What a preprocessor returned as opaque RGBA. Raises `ValueError` for another shape."""
    values = np.asarray(made, np.float32)
    size = picture.shape[:2]
    if values.shape == size:
        values = values[..., None].repeat(3, axis=2)
    if values.shape != (*size, 3):
        raise ValueError(f"it returned an array of shape {values.shape}; {size} or {(*size, 3)} was due")
    values = np.clip(np.nan_to_num(values, nan=0.0), 0.0, 1.0)
    return np.concatenate([values, np.ones((*size, 1), np.float32)], axis=2)
