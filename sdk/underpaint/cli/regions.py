"""--region and --region-layer: parts of a picture with prompts of their own."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from underpaint.cli.controls import attached
from underpaint.errors import InvalidRequest, Violation
from underpaint.hookspecs import ControlSource
from underpaint.host import AttachedRegion
from underpaint.types import MASK_FORMAT, Bounds, Image

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

    from underpaint.host import HostAdapter
    from underpaint.testing.reference import Document

RegionOption = Annotated[
    list[str] | None,
    typer.Option(
        "--region",
        metavar="PROMPT=FILE[,KEY=VALUE...]",
        help="Paint this where the picture in FILE is white, for example 'red brick=wall.png'; scaled over "
        "the picture. May be repeated: a later one covers an earlier one, and the rest follows the main "
        "prompt. Keys: strength (0 to 1, how far it takes the place of what lies beneath), negative (what to "
        "avoid there, in place of --negative), control (ROLE=FILE, a drawing that this part alone keeps to). "
        "<lora:NAME:0.8> in the prompt counts there alone.",
    ),
]
RegionLayerOption = Annotated[
    list[str] | None,
    typer.Option(
        "--region-layer",
        metavar="PROMPT=NAME[,KEY=VALUE...]",
        help="Paint this where the layer NAME of the .ora file covers. The layer is hidden. May be repeated; "
        "lies over what --region says. Keys as there.",
    ),
]
_MASK = "The region's mask"
_VALUE = re.compile(r",\s*(strength|negative|control)=")


def from_files(options: list[str] | None) -> tuple[AttachedRegion, ...]:
    """The regions of a command line; reads their files. Raises `InvalidRequest`."""
    return tuple(_parsed(option, "region", _file_source) for option in options or ())


def from_layers(options: list[str] | None, document: Document) -> tuple[AttachedRegion, ...]:
    """Regions that layers of a document cover; hides these layers. Raises `InvalidRequest`."""
    return tuple(
        _parsed(option, "region-layer", partial(_layer_source, document)) for option in options or ()
    )


def _parsed(option: str, field: str, find: Callable[[str], tuple[ControlSource, str]]) -> AttachedRegion:
    head, values = _split(option)
    # A prompt may hold commas and equals signs; the last one stands before the name.
    prompt, equals, name = head.rpartition("=")
    if not (equals and name):
        what = "FILE" if field == "region" else "NAME"
        wanted = f"PROMPT={what}[,strength=N][,negative=TEXT][,control=ROLE=FILE]"
        _refuse(field, f"--{field} takes {wanted}, not {option[:200]!r}.")
    try:
        strength = float(values.get("strength", ["1"])[-1])
    except ValueError:
        _refuse(field, f"--{field} takes a number for strength: {option[:200]!r}.")
    source, choice = find(name)
    return AttachedRegion(
        source=source,
        prompt=prompt,
        choice=choice,
        strength=strength,
        negative_prompt=values.get("negative", [""])[-1].strip(),
        controls=attached(values.get("control")),
    )


def _split(option: str) -> tuple[str, dict[str, list[str]]]:
    """Prompt and name, and the values by key behind them; those before the name belong to the prompt."""
    found = [at for at in _VALUE.finditer(option) if "=" in option[: at.start()]]
    starts = [*(at.start() for at in found), len(option)]
    values: dict[str, list[str]] = {}
    for at, end in zip(found, starts[1:], strict=True):
        values.setdefault(at[1], []).append(option[at.end() : end])
    return option[: starts[0]], values


def mask_from_file(path: Path, whole: Bounds, bounds: Bounds) -> Image:
    """`bounds` of a region's mask that is scaled over `whole`. Raises `InvalidRequest`."""
    return _scaled(_opened(path, "region", _MASK), whole, bounds)


def file_source(name: str, field: str, what: str) -> ControlSource:
    """Coverage from a picture file, white is covered, scaled over the document or the new picture.

    `field` and `what` are for the message of the `InvalidRequest` that it raises.
    """
    path = Path(name)
    return ControlSource(name=str(path), title=path.name, read=partial(_read, _opened(path, field, what)))


def _file_source(name: str) -> tuple[ControlSource, str]:
    return file_source(name, "region", _MASK), ""


def _opened(path: Path, field: str, what: str) -> Picture:
    from PIL import Image as Pictures

    from underpaint.testing.reference.png import BROKEN

    try:
        with Pictures.open(path) as picture:
            return picture.convert("L")
    except FileNotFoundError:
        _refuse(field, f"{what} {path} does not exist: check the name.")
    except (*BROKEN, Pictures.DecompressionBombError) as problem:
        _refuse(field, f"{what} {path} is no picture that can be read ({problem}).")


def _layer_source(document: Document, name: str) -> tuple[ControlSource, str]:
    from underpaint.cli.documents import layer_named
    from underpaint.host.standard import read_layer

    layer = layer_named(document, name, "region-layer")
    # As a mask layer, it says where and is no part of the picture.
    document.change(layer.layer_id, lambda node: replace(node, visible=False), "Hide the region")
    return ControlSource(name="layer", title=name, read=read_layer), layer.layer_id


def _read(mask: Picture, adapter: HostAdapter, into: str, bounds: Bounds, choice: str) -> Image:
    """`bounds` of the mask, scaled over the canvas of the document `into`; without one, over `bounds`."""
    return _scaled(mask, adapter.canvas().bounds if into else bounds, bounds)


def _scaled(mask: Picture, whole: Bounds, bounds: Bounds) -> Image:
    from PIL import Image as Pictures

    smaller = whole.width <= mask.width and whole.height <= mask.height
    how = Pictures.Resampling.BOX if smaller else Pictures.Resampling.BILINEAR
    left, top = bounds.x - whole.x, bounds.y - whole.y
    part = mask.resize((whole.width, whole.height), how).crop(
        (left, top, left + bounds.width, top + bounds.height)
    )
    return Image(bounds.width, bounds.height, part.tobytes(), MASK_FORMAT, bounds.x, bounds.y)


def _refuse(field: str, message: str) -> NoReturn:
    raise InvalidRequest(message, violations=[Violation(field, message)])
