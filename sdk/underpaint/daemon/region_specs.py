"""Regions in specifications: their masks found, their controls made the picture's own."""

from __future__ import annotations

from underpaint.daemon.blobs.store import BlobStore, Entry
from underpaint.daemon.scan import FoundModel
from underpaint.errors import Violation
from underpaint.types import Bounds
from underpaint.v1.job_service_pb2 import JobSpec
from underpaint.wire.images import format_of
from underpaint.wire.limits import raise_for
from underpaint.wire.regions import complete_region, lift_controls


def resolve_regions(spec: JobSpec, model: FoundModel, window: Bounds, blobs: BlobStore) -> list[Entry]:
    """Completes the regions of a specification whose pictures lie in `window`; the masks that they need.

    To be done before its controls, since those of the regions become its own.

    Raises InvalidRequest (violations name "spec.regions[N].…"), BlobNotFound or BlobStateError.
    """
    if spec.regions and (model.traits is None or not model.traits.regions):
        text = f"the model {model.name!r} takes no regions: leave them out, or choose another model"
        raise_for([Violation("spec.regions", text)])
    needed = []
    for number, region in enumerate(spec.regions):
        complete_region(region)
        mask = blobs.sealed(region.mask.blob)
        channels = format_of(mask.layout).channels
        if channels.count != 1:
            where = f"spec.regions[{number}].mask"
            raise_for([Violation(where, f"must have one channel, got {channels.value}")])
        place = Bounds(region.mask.x_px, region.mask.y_px, mask.layout.width_px, mask.layout.height_px)
        if place.intersect(window).is_empty:
            # The worker leaves such a region out and says so; a control there would be a mistake.
            del region.controls[:]
        needed.append(mask)
    lift_controls(spec)
    return needed
