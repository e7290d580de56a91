"""--islands: where a texture has pixels at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from underpaint.cli.regions import file_source
from underpaint.host import AttachedIslands
from underpaint.host.cropping import cropped
from underpaint.types import Bounds, Image

if TYPE_CHECKING:
    from underpaint.host import HostAdapter

IslandsOption = Annotated[
    Path | None,
    typer.Option(
        "--islands",
        metavar="FILE",
        help="The picture is a texture, and its UV islands are where FILE is white (a UV layout, filled); "
        "scaled over it. What lies between is not seen, and not painted.",
        dir_okay=False,
    ),
]
PaddingOption = Annotated[
    int, typer.Option(metavar="N", help="With --islands: how many pixels islands go on beyond their edges.")
]


def islands_of(file: Path | None, padding: int) -> AttachedIslands | None:
    """The islands of a command line; reads their file. Raises `InvalidRequest`."""
    if file is None:
        return None
    source = file_source(str(file), "islands", "The mask of islands")

    def read(adapter: HostAdapter, into: str, bounds: Bounds) -> Callable[[Bounds], Image]:
        if not into:
            return lambda part: source.read(adapter, "", part, "")
        image = source.read(adapter, into, bounds, "")
        return lambda part: cropped(image, part)

    return AttachedIslands(read=read, padding=padding)
