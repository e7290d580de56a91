"""preprocess: a control image or a mask from a picture."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from underpaint.cli.connection import connect_or_start
from underpaint.cli.console import JsonOption, print_json, print_table, progress_bar
from underpaint.errors import InvalidRequest, Violation
from underpaint.types import Channels, Image, PreprocessRequest


def preprocess(
    name: Annotated[str, typer.Argument(help="A preprocessor's name from --list.")] = "",
    image: Annotated[
        Path | None, typer.Argument(help="The picture to look at.", exists=True, dir_okay=False)
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where to write; the ending decides the format.")
    ] = Path("preprocessed.png"),
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", metavar="NAME=NUMBER", help="May be given more than once."),
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="Show what there is, and what can be set.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a control image or a mask from a picture: edges, depth, poses. Some need weights, see --list.

    Example: underpaint preprocess canny photo.jpg -p low=50 -o edges.png
    """
    if show:
        _list(as_json)
        return
    if not name or image is None:
        message = (
            "Say which preprocessor and which picture: underpaint preprocess canny photo.jpg -o edges.png"
        )
        raise InvalidRequest(message, violations=[Violation("name", message)])
    from underpaint.cli.documents import check_writable, host_of
    from underpaint.testing.reference import read_document

    check_writable(output)
    document = read_document(image)
    canvas = document.canvas
    picture = host_of(document).read_merged(document.document_id, canvas)
    request = PreprocessRequest(image=picture, preprocessor=name, parameters=_numbers(parameter or []))
    with connect_or_start() as client, progress_bar(quiet=as_json) as show_progress:
        job = client.submit(request)
        try:
            final = job.wait(on_update=show_progress)
        except KeyboardInterrupt:
            job.cancel()
            raise
        _write(job.fetch()[0], output)
        job.delete()
    if as_json:
        print_json({"output": str(output), "job": final.name, "request": final.resolved})
    else:
        print(output)


def _list(as_json: bool) -> None:
    with connect_or_start() as client:
        found = client.preprocessors()
    if as_json:
        print_json([asdict(one) for one in found])
        return
    rows = []
    for one in found:
        settings = (f"{p.name}={p.default:g} ({p.minimum:g} to {p.maximum:g})" for p in one.parameters)
        rows.append((one.name, one.role, one.title, ", ".join(settings), one.problem))
    head = ("name", "gives", "title", "parameters", "why not")
    print_table(head, rows, empty="No plug-in brings preprocessors.")


def _numbers(texts: list[str]) -> dict[str, float]:
    values: dict[str, float] = {}
    for text in texts:
        name, equals, number = text.partition("=")
        try:
            values[name] = float(number)
        except ValueError:
            equals = ""
        if not (name and equals):
            message = f"-p takes NAME=NUMBER, for example low=50, not {text!r}."
            raise InvalidRequest(message, violations=[Violation("parameter", message)])
    return values


def _write(image: Image, output: Path) -> None:
    from PIL import Image as Pictures

    # The daemon's own choice of a layout: coverage for a mask, RGB for everything else, 8 bits.
    mode = "L" if image.format.channels is Channels.GRAY else "RGB"
    size = image.width, image.height
    made = Pictures.frombuffer(mode, size, bytes(image.data), "raw", mode, image.row_bytes, 1)
    made.save(output)
