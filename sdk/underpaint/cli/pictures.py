"""txt2img, img2img, inpaint.

Pictures are documents of the reference host, so that these commands are the `Session` verbs of every other
host. That host needs numpy and Pillow, and is loaded when a command runs, not with the command line.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from underpaint.cli.console import JsonOption
from underpaint.cli.controls import ControlOption
from underpaint.cli.islands import IslandsOption, PaddingOption, islands_of
from underpaint.cli.loras import LoraOption
from underpaint.cli.options import (
    GuidanceOption,
    ModelOption,
    NegativeOption,
    OutputOption,
    PostOption,
    PrivateOption,
    Prompt,
    SchedulerOption,
    SeedOption,
    SourceArgument,
    StepsOption,
    TileOption,
)
from underpaint.cli.painting import paint, parse_size, settings_of
from underpaint.cli.regions import RegionLayerOption, RegionOption, from_files, from_layers
from underpaint.cli.schedulers import PresetOption, SchedulerParameterOption
from underpaint.host import Session, Task
from underpaint.types import Tiling


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
    islands: IslandsOption = None,
    padding: PaddingOption = 16,
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
    settings = replace(settings, regions=from_files(region), islands=islands_of(islands, padding))
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
    islands: IslandsOption = None,
    padding: PaddingOption = 16,
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
    settings = replace(
        settings,
        regions=from_files(region) + from_layers(region_layer, document),
        islands=islands_of(islands, padding),
    )

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
    strength: Annotated[
        float | None,
        typer.Option(
            help="How much to change inside the mask, above 0 to 1. By default as fits the model: 1 for most."
        ),
    ] = None,
    fill_mode: Annotated[
        str,
        typer.Option(
            help="What the hole begins with, if strength is below 1: keep, blur, neutral, noise, border or "
            "continue."
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
    islands: IslandsOption = None,
    padding: PaddingOption = 16,
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
        settings,
        fill_mode=fill_mode,
        regions=from_files(region) + from_layers(region_layer, document),
        islands=islands_of(islands, padding),
    )
    paint(host_of(document), output, as_json, lambda s: s.fill(prompt, settings), private=private)
