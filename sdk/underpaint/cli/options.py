"""Options and arguments that the painting commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from underpaint.types import Tiling

Prompt = Annotated[str, typer.Argument(help="What to paint, in words.")]
ModelOption = Annotated[
    str, typer.Option("--model", "-m", help="A name from 'underpaint models list' or a diffusers folder.")
]
SeedOption = Annotated[
    int | None, typer.Option(min=0, max=2**64 - 1, help="Same seed, same picture. Drawn if not given.")
]
StepsOption = Annotated[int | None, typer.Option(help="Denoising steps, 1 to 1000. [default: the model's]")]
GuidanceOption = Annotated[
    float | None, typer.Option(help="Guidance scale; 1 or less switches it off. [default: the model's]")
]
SchedulerOption = Annotated[str, typer.Option(help="For example euler or ddim. [default: the model's]")]
NegativeOption = Annotated[str, typer.Option(help="What to avoid, in words.")]
PostOption = Annotated[
    list[str] | None,
    typer.Option("--post", metavar="NAME", help="Run this post-processor on the picture; may be repeated."),
]
TileOption = Annotated[Tiling, typer.Option(help="Edges that continue at the opposite side.")]
OutputOption = Annotated[
    Path,
    typer.Option(
        "--output", "-o", help="Where to write. The ending decides the format; .ora keeps the layers."
    ),
]
PrivateOption = Annotated[
    bool, typer.Option("--private", help="Leave the prompts out of what the file says about its making.")
]
SourceArgument = Annotated[
    Path,
    typer.Argument(
        help="The picture to start from; of an .ora file, what is seen of it.", exists=True, dir_okay=False
    ),
]
