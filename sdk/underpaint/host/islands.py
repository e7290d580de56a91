"""A texture's UV islands attached to a job: what a document is to a mesh."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from underpaint.host.coverage import coverage_of
from underpaint.host.cropping import cropped
from underpaint.types import Bounds, Image, UvIslands

if TYPE_CHECKING:
    from underpaint.hookspecs import ControlSource
    from underpaint.host.adapter import HostAdapter

IslandReader: TypeAlias = "Callable[[HostAdapter, str, Bounds], Callable[[Bounds], Image]]"
"""Reads, on the main thread, what islands a document has within some bounds. What it returns makes their
mask for a part of these bounds, one channel, in any thread. Document "": a new picture, which the part is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedIslands:
    """Where a texture has pixels at all, read when a verb starts; see `UvIslands`."""

    read: IslandReader
    padding: int = 16
    """How far islands go on, in pixels."""


def islands_from(source: ControlSource, choice: str = "", *, padding: int = 16) -> AttachedIslands:
    """What a layer covers, or any other source, as islands."""

    def read(adapter: HostAdapter, document_id: str, bounds: Bounds) -> Callable[[Bounds], Image]:
        image = source.read(adapter, document_id, bounds, choice)
        return lambda part: coverage_of(cropped(image, part))

    return AttachedIslands(read=read, padding=padding)


def read_islands(
    attached: AttachedIslands | None, adapter: HostAdapter, document_id: str, bounds: Bounds
) -> Callable[[Bounds], UvIslands | None]:
    """Reads what is attached, on the main thread; the islands of a part of `bounds` then, in any thread."""
    if attached is None:
        return lambda part: None
    mask_of = attached.read(adapter, document_id, bounds)
    return lambda part: UvIslands(mask=mask_of(part), padding=attached.padding)


def widened(hole: Bounds, canvas: Bounds, attached: AttachedIslands | None) -> Bounds:
    """What changes where `hole` is filled: islands go on around it."""
    if attached is None:
        return hole
    edge = attached.padding
    wide = Bounds(hole.x - edge, hole.y - edge, hole.width + 2 * edge, hole.height + 2 * edge)
    return wide.intersect(canvas)
