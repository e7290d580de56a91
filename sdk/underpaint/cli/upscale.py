"""upscale: a larger picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from underpaint.cli.console import JsonOption
from underpaint.cli.controls import ControlOption
from underpaint.cli.options import (
    GuidanceOption,
    ModelOption,
    NegativeOption,
    OutputOption,
    PrivateOption,
    SchedulerOption,
    SeedOption,
    SourceArgument,
    StepsOption,
    TileOption,
)
from underpaint.cli.painting import paint, parse_size, settings_of
from underpaint.host import Session, Task
from underpaint.types import Tiling


def upscale(
    image: SourceArgument,
    prompt: Annotated[
        str, typer.Argument(help="What the picture shows, for the denoising; may be left out.")
    ] = "",
    output: OutputOption = Path("upscaled.png"),
    factor: Annotated[
        float | None,
        typer.Option(help="How many times as wide and as high. [default: 4, unless there is a size]"),
    ] = None,
    size: Annotated[str, typer.Option(metavar="WxH", help="Pixels, for example 4096x4096.")] = "",
    upscaler: Annotated[
        str,
        typer.Option(
            help="A name from 'underpaint models list --kind upscaler', or a .safetensors file; "
            "lanczos does without. [default: the first there is]"
        ),
    ] = "",
    strength: Annotated[
        float | None,
        typer.Option(
            help="How much denoising in tiles changes, 0 to 1; 0 leaves it out. "
            "[default: 0 after an upscaler, 0.3 without]"
        ),
    ] = None,
    model: ModelOption = "",
    seed: SeedOption = None,
    steps: StepsOption = None,
    guidance: GuidanceOption = None,
    scheduler: SchedulerOption = "",
    negative: NegativeOption = "",
    tile: TileOption = Tiling.NONE,
    control: ControlOption = None,
    private: PrivateOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make a picture larger: by an upscaler's network, by denoising in overlapping tiles, or by both.

    Example: underpaint upscale wall.png -o large.png --factor 4

    With new details: underpaint upscale wall.png 'mossy stone' --strength 0.3 -o large.png
    """
    from underpaint.cli.documents import host_of
    from underpaint.testing.reference import read_document

    width, height = parse_size(size)
    if Path(upscaler).is_file():  # a relative name means something here and nothing in the daemon
        upscaler = str(Path(upscaler).resolve())
    settings = settings_of(model, seed, steps, guidance, scheduler, negative, tile, strength, None, control)

    def larger(session: Session) -> Task:
        return session.upscale(prompt, settings, factor=factor, width=width, height=height, upscaler=upscaler)

    paint(host_of(read_document(image)), output, as_json, larger, private=private)
