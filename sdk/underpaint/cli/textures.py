"""textures: the maps of a material from one picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from underpaint.cli.connection import connect_or_start
from underpaint.cli.console import JsonOption, guarded, print_json, progress_bar
from underpaint.errors import InvalidRequest, Violation
from underpaint.host.materials import MaterialMap, requests
from underpaint.types import (
    Alpha,
    Channels,
    ColorSpace,
    DataType,
    Image,
    PixelFormat,
    PreprocessRequest,
    Tiling,
)

if TYPE_CHECKING:
    from underpaint.client import Client

app = typer.Typer(help="Maps of a material from a picture, without a model.", no_args_is_help=True)

_GREY = PixelFormat(Channels.GRAY, DataType.U8, Alpha.NONE, ColorSpace.DATA)
_COLOR = replace(_GREY, channels=Channels.RGB)
_LAYOUTS = {"height-map": replace(_GREY, data_type=DataType.U16), "normal-map": _COLOR}
"""A height with 256 steps would show them as terraces."""
_MODES = {_GREY: "L", _COLOR: "RGB", _LAYOUTS["height-map"]: "I;16"}


@app.callback()
def root() -> None:
    """Maps of a material from a picture, without a model."""


@app.command()
@guarded
def maps(
    image: Annotated[Path, typer.Argument(help="A picture of the surface.", exists=True, dir_okay=False)],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder for the maps; made if it is missing.")
    ] = Path("maps"),
    tile: Annotated[Tiling, typer.Option(help="Edges of the picture that meet.")] = Tiling.NONE,
    relief: Annotated[float, typer.Option(help="Pixels between the lowest and the highest point.")] = 8.0,
    base: Annotated[float, typer.Option(help="Roughness of what is even, 0 to 1.")] = 0.5,
    flatten: Annotated[
        float, typer.Option(help="Light that changes over this share of the shorter side is no height.")
    ] = 0.1,
    smooth: Annotated[float, typer.Option(help="Pixels to blur the picture by: takes grain away.")] = 1.0,
    radius: Annotated[float, typer.Option(help="Pixels within which a height takes light away.")] = 24,
    invert: Annotated[
        bool, typer.Option("--invert", help="Dark is high: dark stones, light joints.")
    ] = False,
    directx: Annotated[
        bool, typer.Option("--directx", help="Green of the normals points down: Unreal, DirectX.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make height, normal, roughness and ambient occlusion maps of a picture.

    Example: underpaint textures maps wall.png --tile xy -o wall-maps

    Writes wall_height.png (16 bits), wall_normal.png (OpenGL: green is up), wall_roughness.png and
    wall_ambient_occlusion.png.
    """
    from underpaint.cli.documents import host_of
    from underpaint.testing.reference import read_document

    if output.exists() and not output.is_dir():
        message = f"{output} is a file: name a folder for the four maps."
        raise InvalidRequest(message, violations=[Violation("output", message)])
    document = read_document(image)
    picture = host_of(document).read_merged(document.document_id, document.canvas)
    values = {
        "relief": relief,
        "base": base,
        "flatten": flatten,
        "smooth": smooth,
        "radius": radius,
        "invert": float(invert),
        "directx": float(directx),
    }
    base_request = PreprocessRequest(image=picture, preprocessor="", tiling=tile)
    asked = [(one, replace(request, output=_layout(one))) for one, request in requests(base_request, values)]
    with connect_or_start() as client:
        made = _made(client, asked, quiet=as_json)
    output.mkdir(parents=True, exist_ok=True)
    files: dict[str, str] = {}
    for one, picture in made:
        path = output / f"{image.stem}_{one.title.lower().replace(' ', '_')}.png"
        _write(picture, path)
        files[one.preprocessor] = str(path)
    if as_json:
        print_json({"maps": files})
    else:
        print("\n".join(files.values()))


def _layout(one: MaterialMap) -> PixelFormat:
    return _LAYOUTS.get(one.preprocessor, _GREY)


def _made(
    client: Client, asked: list[tuple[MaterialMap, PreprocessRequest]], *, quiet: bool
) -> list[tuple[MaterialMap, Image]]:
    """The finished maps; Ctrl-C cancels those that are not."""
    jobs = [(one, client.submit(request)) for one, request in asked]
    made = []
    try:
        with progress_bar(quiet=quiet) as show_progress:
            for one, job in jobs:
                job.wait(on_update=show_progress)
                made.append((one, job.fetch()[0]))
    except KeyboardInterrupt:
        for _, job in jobs:
            job.cancel()
        raise
    for _, job in jobs:
        job.delete()
    return made


def _write(image: Image, path: Path) -> None:
    from PIL import Image as Pictures

    mode, size = _MODES[image.format], (image.width, image.height)
    raw: Any = bytes(image.data)
    Pictures.frombuffer(mode, size, raw, "raw", mode, image.row_bytes, 1).save(path)
