"""UV islands in specifications: the padding filled in, their mask found."""

from __future__ import annotations

from underpaint.daemon.blobs.store import BlobStore, Entry
from underpaint.errors import Violation
from underpaint.v1.job_service_pb2 import JobSpec
from underpaint.wire.images import format_of
from underpaint.wire.islands import complete_islands
from underpaint.wire.limits import raise_for


def resolve_islands(spec: JobSpec, blobs: BlobStore) -> dict[str, Entry]:
    """What the islands of a specification need, by a name for it.

    Raises InvalidRequest (violations name "spec.islands.mask"), BlobNotFound or BlobStateError.
    """
    if not spec.HasField("islands"):
        return {}
    complete_islands(spec)
    mask = blobs.sealed(spec.islands.mask.blob)
    channels = format_of(mask.layout).channels
    if channels.count != 1:
        raise_for([Violation("spec.islands.mask", f"must have one channel, got {channels.value}")])
    return {"islands": mask}
