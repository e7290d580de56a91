"""Questions about pixels that must not need numpy. Blocking: run in a thread."""

from __future__ import annotations

from underpaint.daemon.blobs.store import Entry
from underpaint.pixels import files
from underpaint.wire.images import format_of

PIECE = 1 << 20


def has_coverage(entry: Entry) -> bool:
    """Whether any pixel of a mask is above 0. Bytes between the rows do not count."""
    view = files.map_readonly(entry.path, entry.size)
    layout = entry.layout
    row = layout.width_px * format_of(layout).bytes_per_pixel
    stride = layout.stride_bytes or row
    if stride == row:
        return any(_any(view[start : start + PIECE]) for start in range(0, entry.size, PIECE))
    return any(_any(view[start : start + row]) for start in range(0, stride * layout.height_px, stride))


def _any(piece: memoryview) -> bool:
    data = bytes(piece)
    # count runs at memory speed; any() would visit each byte in Python.
    return data.count(0) != len(data)
