"""--control: a picture file as a control source, scaled over the picture that is painted."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from underpaint.errors import InvalidRequest, Violation
from underpaint.hookspecs import ControlSource
from underpaint.host import AttachedControl
from underpaint.types import Bounds, Image, PixelFormat

if TYPE_CHECKING:
    from underpaint.host import HostAdapter
    from underpaint.testing.reference.samples import Samples

ControlOption = Annotated[
    list[str] | None,
    typer.Option(
        "--control",
        metavar="ROLE=FILE[,KEY=VALUE...]",
        help="Keep to this drawing, for example line-art=plan.png,strength=0.8; may be repeated. Keys: "
        "strength (0 to 2), start and end (shares of the steps, 0 to 1), preprocess (a name from "
        "'underpaint preprocess --list'), model (from 'underpaint models controls'), layer (of an .ora "
        "file). 'underpaint models list' shows the roles.",
    ),
]
_NUMBERS = ("strength", "start", "end")
_TEXTS = {"preprocess": "preprocessor", "model": "model", "layer": "layer"}
EXAMPLE = "--control takes ROLE=FILE and then keys, for example line-art=plan.png,strength=0.8"


def attached(options: list[str] | None) -> tuple[AttachedControl, ...]:
    """The controls of a command line; reads their files. Raises `InvalidRequest`."""
    # One source for each file: what has one source is read, and sent, once.
    source = cache(_source)
    return tuple(_attached(option, source) for option in options or ())


def _attached(option: str, source_of: Callable[[Path, str], ControlSource]) -> AttachedControl:
    head, *rest = option.split(",")
    role, equals, name = head.partition("=")
    fields: dict[str, Any] = {}
    for part in rest:
        key, _, value = part.partition("=")
        if key in _NUMBERS:
            fields[key] = _number(key, value)
        elif key in _TEXTS and value:
            fields[_TEXTS[key]] = value
        else:
            known = ", ".join((*_NUMBERS, *_TEXTS))
            _refuse(f"{EXAMPLE}; {part[:60]!r} is none of its keys: {known}.")
    if not (role and equals and name):
        _refuse(f"{EXAMPLE}, not {option[:200]!r}.")
    model = fields.get("model", "")
    # A relative folder means something here and nothing in the daemon.
    if model and Path(model).is_dir():
        fields["model"] = str(Path(model).resolve())
    source = source_of(Path(name), fields.pop("layer", ""))
    return AttachedControl(source=source, role=role, **fields)


def _source(path: Path, layer: str) -> ControlSource:
    from underpaint.cli.documents import layer_named
    from underpaint.testing.reference import read_document
    from underpaint.testing.reference.merge import merged, own_pixels

    if not path.is_file():
        _refuse(f"The control image {path} does not exist: check the name.")
    document = read_document(path, field="control")
    data_type = document.format.data_type
    if layer:
        samples = own_pixels(layer_named(document, layer, "control"), document.canvas, data_type)
    else:
        samples = merged(document.layers, document.canvas, data_type)
    read = partial(_read, samples, document.format)
    return ControlSource(name=f"{path}:{layer}", title=path.name, read=read)


def _read(
    samples: Samples, format: PixelFormat, adapter: HostAdapter, into: str, bounds: Bounds, choice: str
) -> Image:
    """`bounds` of the picture, scaled over the canvas of the document `into`; without one, over `bounds`."""
    from underpaint.testing.reference.samples import image_of, inside

    whole = adapter.canvas().bounds if into else bounds
    return image_of(_scaled(samples, whole)[inside(bounds, whole)], bounds, format)


def _scaled(samples: Samples, to: Bounds) -> Samples:
    """Averages areas where it gets smaller, Lanczos where it gets larger."""
    import numpy as np
    from PIL import Image as Pictures

    from underpaint.testing.reference.samples import from_floats, to_floats

    height, width = samples.shape[:2]
    if (width, height) == (to.width, to.height):
        return samples
    smaller = to.width <= width and to.height <= height
    how = Pictures.Resampling.BOX if smaller else Pictures.Resampling.LANCZOS
    channels = [
        Pictures.fromarray(np.asarray(to_floats(samples)[..., index], np.float32)).resize(
            (to.width, to.height), how
        )
        for index in range(samples.shape[2])
    ]
    return from_floats(np.stack([np.asarray(one) for one in channels], axis=2), samples.dtype)


def _number(key: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        _refuse(f"{EXAMPLE}; {key} takes a number, not {value[:60]!r}.")


def _refuse(message: str) -> NoReturn:
    raise InvalidRequest(message, violations=[Violation("control", message)])
