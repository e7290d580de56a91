"""Large documents."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from underpaint.host import Capability
from underpaint.testing.conformance.check import check, expect
from underpaint.testing.conformance.codec import decode
from underpaint.testing.conformance.compare import difference
from underpaint.testing.conformance.patterns import coverage, hard_mask, places
from underpaint.testing.conformance.rig import LayerSpec
from underpaint.testing.conformance.stage import Stage, columns, rows
from underpaint.types import Bounds

_HUGE = Bounds(0, 0, 16384, 16384)
_READ_S = 1.5
_READ_BYTES = 256 << 20


@dataclass
class _Measure:
    seconds: float = 0.0
    bytes: int = 0


@contextmanager
def _measured() -> Iterator[_Measure]:
    """Time, and Python's memory at its highest (numpy's arrays count)."""
    measure = _Measure()
    tracemalloc.start()
    begun = time.perf_counter()
    try:
        yield measure
    finally:
        measure.seconds = time.perf_counter() - begun
        _, measure.bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()


@check(
    "huge-canvas",
    "A small selection on a canvas of 16384 x 16384 costs what it costs on a small one.",
    advice="Ask the host for the bounds only, never for the whole canvas or layer; read_merged and "
    "read_selection must not grow with the document.",
    rests_on=("read-place", "selection-soft"),
)
def huge_canvas(stage: Stage) -> None:
    """One small layer far from the origin; time and Python's memory while it is read."""
    patch = Bounds(9000, 12000, 96, 64)
    layer = LayerSpec(name="patch", bounds=patch, pattern=places)
    document = stage.open(layer, canvas=_HUGE)
    selected = Bounds(9020, 12010, 24, 16)
    selection_mask = hard_mask(selected)
    stage.select(document, selection_mask)
    canvas = stage.adapter.canvas()
    expect((canvas.width, canvas.height) == (16384, 16384), f"canvas() says {canvas.width}x{canvas.height}")
    bounds = Bounds(9010, 12004, 48, 32)
    with _measured() as reading:
        image = stage.adapter.read_merged(document, bounds)
    taken, peak = reading.seconds, reading.bytes
    got = stage.decoded(image, document, bounds, "read_merged")
    wrong = difference(got, stage.expected(document, bounds), bounds.width, stage.tolerance(document))
    expect(not wrong, f"far from the origin: {wrong}")
    if Capability.SELECTION in stage.adapter.capabilities:
        with _measured() as reading:
            found = stage.adapter.selection_bounds(document)
            mask = stage.adapter.read_selection(document, bounds)
        taken, peak = max(taken, reading.seconds), max(peak, reading.bytes)
        expect(found == selected, f"selection_bounds is {found}, {selected} is selected")
        covered = [round(pixel[0] * 255) for pixel in decode(mask)]
        wanted = [coverage(selection_mask, x, y) for y in rows(bounds) for x in columns(bounds)]
        expect(covered == wanted, "read_selection gives another selection than on a small canvas")
    expect(taken <= _READ_S, f"reading {bounds.width}x{bounds.height} pixels took {taken:.1f} s")
    expect(peak <= _READ_BYTES, f"reading {bounds.width}x{bounds.height} pixels took {peak >> 20} MiB")
