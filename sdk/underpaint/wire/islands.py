"""UV islands as protobuf, and what is wrong with them whatever the model."""

from __future__ import annotations

from typing import Final

from underpaint.errors import Violation
from underpaint.types import UvIslands
from underpaint.v1 import image_pb2, job_service_pb2
from underpaint.wire.ranges import check_whole

MAX_PADDING: Final = 256
"""Farthest that an island goes on, in pixels."""
DEFAULT_PADDING: Final = 16
_PAINTING: Final = ("text_to_image", "image_to_image", "edit_image", "inpaint")


def islands_to_message(islands: UvIslands, mask: image_pb2.ImageRef) -> job_service_pb2.UvIslands:
    """Islands, as they travel; `mask` is the uploaded one."""
    return job_service_pb2.UvIslands(mask=mask, padding_px=islands.padding)


def complete_islands(spec: job_service_pb2.JobSpec) -> None:
    """Fills in the padding, where there are islands."""
    if spec.HasField("islands") and not spec.islands.HasField("padding_px"):
        spec.islands.padding_px = DEFAULT_PADDING


def check_islands(spec: job_service_pb2.JobSpec, field: str) -> list[Violation]:
    """Everything that is wrong with a specification's islands, as far as no model is needed for it."""
    if not spec.HasField("islands"):
        return []
    where = f"{field}.islands"
    found = check_whole(f"{where}.padding_px", spec.islands.padding_px, 0, MAX_PADDING)
    if not spec.islands.mask.blob:
        found.append(Violation(f"{where}.mask.blob", "name a sealed blob: upload the pixels first"))
    if spec.WhichOneof("operation") not in _PAINTING:
        found.append(Violation(where, "are for pictures that a model paints in one piece"))
    return found


def check_islands_type(islands: UvIslands | None, field: str) -> list[Violation]:
    """`check_islands` for the value type."""
    if islands is None:
        return []
    where = f"{field}.islands"
    found = check_whole(f"{where}.padding_px", islands.padding, 0, MAX_PADDING)
    channels = islands.mask.format.channels
    if channels.count != 1:
        found.append(Violation(f"{where}.mask", f"must have one channel, got {channels.value}"))
    return found
