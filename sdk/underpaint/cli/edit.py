"""edit: a picture changed by instruction."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from underpaint.cli.console import JsonOption
from underpaint.cli.options import (
    GuidanceOption,
    ModelOption,
    OutputOption,
    PostOption,
    PrivateOption,
    SchedulerOption,
    SeedOption,
    SourceArgument,
    StepsOption,
)
from underpaint.cli.painting import paint, settings_of
from underpaint.types import Tiling


def edit(
    image: SourceArgument,
    instruction: Annotated[str, typer.Argument(help="What to change, in words.")],
    output: OutputOption = Path("edit.png"),
    layer: Annotated[
        str, typer.Option(metavar="NAME", help="Change this layer alone, also if it is hidden.")
    ] = "",
    model: ModelOption = "",
    seed: SeedOption = None,
    steps: StepsOption = None,
    guidance: GuidanceOption = None,
    scheduler: SchedulerOption = "",
    post: PostOption = None,
    private: PrivateOption = False,
    as_json: JsonOption = False,
) -> None:
    """Change a picture as an instruction says.

    Needs a model that was trained for it, such as FLUX.1 Kontext; without --model, the first that can.

    Example: underpaint edit barn.png 'make it winter' -o winter.png
    """
    from underpaint.cli.documents import host_of, layer_named
    from underpaint.testing.reference import read_document

    document = read_document(image)
    source = layer_named(document, layer, "layer").layer_id if layer else None
    settings = settings_of(model, seed, steps, guidance, scheduler, "", Tiling.NONE, None, post, None)
    paint(
        host_of(document),
        output,
        as_json,
        lambda session: session.generate(instruction, settings, source_layer=source, edit=True),
        private=private,
    )
