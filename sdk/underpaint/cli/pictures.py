"""txt2img, img2img, inpaint.

Pictures are documents of the reference host, so that these commands are the `Session` verbs of every other
host. That host needs numpy and Pillow, and is loaded when a command runs, not with the command line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from underpaint.cli.connection import connect_or_start
from underpaint.cli.console import JsonOption, errors, print_json, progress_bar
from underpaint.cli.controls import ControlOption, attached
from underpaint.cli.loras import LoraOption, loras
from underpaint.cli.regions import RegionLayerOption, RegionOption, from_files, from_layers
from underpaint.cli.schedulers import PresetOption, SchedulerParameterOption, scheduler_parameters
from underpaint.errors import InvalidRequest, Violation
from underpaint.host import Notice, Session, Settings, Task
from underpaint.types import Tiling

if TYPE_CHECKING:
    from underpaint.testing.reference import ReferenceHost

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


def txt2img(
    prompt: Prompt,
    output: OutputOption = Path("txt2img.png"),
    size: Annotated[str, typer.Option(metavar="WxH", help="Pixels, for example 512x768.")] = "",
    model: ModelOption = "",
    seed: SeedOption = None,
    steps: StepsOption = None,
    guidance: GuidanceOption = None,
    scheduler: SchedulerOption = "",
    negative: NegativeOption = "",
    tile: TileOption = Tiling.NONE,
    post: PostOption = None,
    control: ControlOption = None,
    region: RegionOption = None,
    lora: LoraOption = None,
    preset: PresetOption = "",
    scheduler_option: SchedulerParameterOption = None,
    private: PrivateOption = False,
    as_json: JsonOption = False,
) -> None:
    """Paint a picture from words.

    Example: underpaint txt2img 'mossy cobblestones' --size 512x512 --tile xy -o cobbles.png

    After a drawing: underpaint txt2img 'grey cobblestone' --control line-art=plan.png -o cobbles.png

    In parts: underpaint txt2img 'grey cobblestone' --region 'green moss=where.png' -o path.png
    """
    from underpaint.cli.documents import host_of

    width, height = parse_size(size)
    settings = settings_of(
        model,
        seed,
        steps,
        guidance,
        scheduler,
        negative,
        tile,
        None,
        post,
        control,
        lora,
        preset,
        scheduler_option,
    )
    settings = replace(settings, regions=from_files(region))
    make = partial(Session.texture, prompt=prompt, settings=settings, width=width, height=height)
    paint(host_of(), output, as_json, make, private=private)


def img2img(
    image: SourceArgument,
    prompt: Prompt,
    output: OutputOption = Path("img2img.png"),
    layer: Annotated[
        str, typer.Option(metavar="NAME", help="Start from this layer alone, also if it is hidden.")
    ] = "",
    strength: Annotated[float, typer.Option(help="How much to change, above 0 to 1.")] = 0.6,
    model: ModelOption = "",
    seed: SeedOption = None,
    steps: StepsOption = None,
    guidance: GuidanceOption = None,
    scheduler: SchedulerOption = "",
    negative: NegativeOption = "",
    tile: TileOption = Tiling.NONE,
    post: PostOption = None,
    control: ControlOption = None,
    region: RegionOption = None,
    region_layer: RegionLayerOption = None,
    lora: LoraOption = None,
    preset: PresetOption = "",
    scheduler_option: SchedulerParameterOption = None,
    private: PrivateOption = False,
    as_json: JsonOption = False,
) -> None:
    """Paint a picture from a picture.

    Example: underpaint img2img sketch.png 'oak planks' --strength 0.5 -o planks.png

    With layers: underpaint img2img barn.ora 'oak planks' --layer Sketch -o barn.ora
    adds the result on top of the others.
    """
    from underpaint.cli.documents import host_of, layer_named
    from underpaint.testing.reference import read_document

    document = read_document(image)
    source = layer_named(document, layer, "layer").layer_id if layer else None
    settings = settings_of(
        model,
        seed,
        steps,
        guidance,
        scheduler,
        negative,
        tile,
        strength,
        post,
        control,
        lora,
        preset,
        scheduler_option,
    )
    settings = replace(settings, regions=from_files(region) + from_layers(region_layer, document))

    def generate(session: Session) -> Task:
        return session.generate(prompt, settings, source_layer=source, from_picture=source is None)

    paint(host_of(document), output, as_json, generate, private=private)


def inpaint(
    image: SourceArgument,
    prompt: Prompt,
    mask: Annotated[
        Path | None,
        typer.Option(
            help="A picture of the same size: white is repainted, black is kept.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    mask_layer: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Repaint what this layer covers. The layer is hidden, and not painted over."
        ),
    ] = "",
    output: OutputOption = Path("inpaint.png"),
    strength: Annotated[float, typer.Option(help="How much to change inside the mask, above 0 to 1.")] = 1.0,
    fill_mode: Annotated[
        str,
        typer.Option(
            help="What the hole begins with, if strength is below 1: keep, blur, neutral, noise or border."
        ),
    ] = "",
    model: ModelOption = "",
    seed: SeedOption = None,
    steps: StepsOption = None,
    guidance: GuidanceOption = None,
    scheduler: SchedulerOption = "",
    negative: NegativeOption = "",
    post: PostOption = None,
    control: ControlOption = None,
    region: RegionOption = None,
    region_layer: RegionLayerOption = None,
    lora: LoraOption = None,
    preset: PresetOption = "",
    scheduler_option: SchedulerParameterOption = None,
    private: PrivateOption = False,
    as_json: JsonOption = False,
) -> None:
    """Paint a masked part of a picture anew.

    Pixels outside the mask, grown by a few pixels for a soft edge, stay as they are.

    Example: underpaint inpaint wall.png 'old bricks' --mask hole.png -o mended.png

    With layers: underpaint inpaint farm.ora 'a red barn' --mask-layer Here -o farm.ora
    adds the barn as a layer on top; with -o farm.png it is merged.
    """
    from underpaint.cli.documents import host_of, open_for_fill

    document = open_for_fill(image, mask, mask_layer)
    settings = settings_of(
        model,
        seed,
        steps,
        guidance,
        scheduler,
        negative,
        Tiling.NONE,
        strength,
        post,
        control,
        lora,
        preset,
        scheduler_option,
    )
    settings = replace(
        settings, fill_mode=fill_mode, regions=from_files(region) + from_layers(region_layer, document)
    )
    paint(host_of(document), output, as_json, lambda s: s.fill(prompt, settings), private=private)


def settings_of(
    model: str,
    seed: int | None,
    steps: int | None,
    guidance: float | None,
    scheduler: str,
    negative: str,
    tiling: Tiling,
    strength: float | None,
    post: list[str] | None,
    control: list[str] | None,
    lora: list[str] | None = None,
    preset: str = "",
    scheduler_option: list[str] | None = None,
) -> Settings:
    """What the options say, as the verbs take it."""
    # A relative folder means something here and nothing in the daemon.
    if model and Path(model).is_dir():
        model = str(Path(model).resolve())
    return Settings(
        model=model,
        negative_prompt=negative,
        seed=seed,
        steps=steps,
        guidance_scale=guidance,
        scheduler=scheduler,
        strength=strength,
        tiling=tiling,
        postprocess=tuple(post or ()),
        controls=attached(control),
        loras=loras(lora),
        preset=preset,
        scheduler_parameters=scheduler_parameters(scheduler_option),
    )


def parse_size(size: str) -> tuple[int | None, int | None]:
    """ "512x768" as width and height; "" as None. Raises `InvalidRequest`."""
    if not size:
        return None, None
    width, cross, height = size.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        message = f"--size takes WIDTHxHEIGHT in pixels, for example 512x768, not {size!r}."
        raise InvalidRequest(message, violations=[Violation("size", message)])
    return int(width), int(height)


def paint(
    host: ReferenceHost,
    output: Path,
    as_json: bool,
    verb: Callable[[Session], Task],
    *,
    private: bool = False,
) -> None:
    """Runs one verb on this, the main thread, and writes the document; Ctrl-C cancels the job, too."""
    from underpaint.cli.documents import check_writable
    from underpaint.testing.reference import write_document

    check_writable(output)
    session = Session(host, connect_or_start)
    session.keep_words = not private
    try:
        with progress_bar(quiet=as_json) as host.on_progress:
            task = verb(session)
            try:
                host.queue.pump_until(lambda: task.done)
            except KeyboardInterrupt:
                task.cancel()
                host.queue.pump_until(lambda: task.done, timeout=30)
    finally:
        session.close()
    if task.error is not None:
        raise task.error
    # Its own document, or the one that a texture has opened.
    note = write_document(host.active_document, output)
    if note:
        host.notices.append(Notice(note))
    _tell(task, host, output, as_json)


def _tell(task: Task, host: ReferenceHost, output: Path, as_json: bool) -> None:
    notes = [*host.active_document.notes, *(notice.text for notice in host.notices)]
    update = task.update
    if as_json:
        value: dict[str, Any] = {"output": str(output), "notes": notes}
        if update is not None:
            value |= {"job": update.name, "request": update.resolved, "model_sha256": update.model_sha256}
            value |= {"engine": update.engine_version}
        print_json(value)
        return
    for note in notes:
        errors.print(note, markup=False)
    seed = update.resolved.get("seed", "?") if update is not None else "?"
    print(f"{output} (seed {seed})")
