"""Pictures that go on beyond their edges."""

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
    PostOption,
    PrivateOption,
    SchedulerOption,
    SeedOption,
    SourceArgument,
    StepsOption,
)
from underpaint.cli.painting import paint, settings_of
from underpaint.host import Margins, Session, Task
from underpaint.types import Tiling

Edge = Annotated[int, typer.Option(help="Pixels to grow on this side.")]


def expand(
    image: SourceArgument,
    prompt: Annotated[str, typer.Argument(help="What is to be seen there; may be left out.")] = "",
    left: Edge = 0,
    top: Edge = 0,
    right: Edge = 0,
    bottom: Edge = 0,
    output: OutputOption = Path("expand.png"),
    model: ModelOption = "",
    seed: SeedOption = None,
    steps: StepsOption = None,
    guidance: GuidanceOption = None,
    scheduler: SchedulerOption = "",
    negative: NegativeOption = "",
    post: PostOption = None,
    control: ControlOption = None,
    private: PrivateOption = False,
    as_json: JsonOption = False,
) -> None:
    """Go on with a picture beyond its edges.

    The picture keeps its pixels, but for a soft rim where the new part joins it.

    Example: underpaint expand wall.png 'old bricks' --right 128 -o wide.png

    With layers: underpaint expand farm.ora 'a wheat field' --left 200 --right 200 -o farm.ora
    adds what is new as a layer on top.
    """
    from underpaint.cli.documents import host_of
    from underpaint.testing.reference import read_document

    document = read_document(image)
    margins = Margins(left=left, top=top, right=right, bottom=bottom)
    wide = margins.around(document.canvas)
    settings = settings_of(
        model, seed, steps, guidance, scheduler, negative, Tiling.NONE, None, post, control
    )

    def grow(task: Task) -> None:
        # The contract lets a result hang over the canvas; a picture file has nothing beyond it.
        if task.error is None:
            document.crop(wide)

    def start(session: Session) -> Task:
        return session.expand(prompt, margins, settings, on_done=grow)

    paint(host_of(document), output, as_json, start, private=private)
