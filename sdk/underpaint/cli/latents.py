"""latents: the VAE and noise as tools. Latents are .npy files, float32 `(channels, height, width)`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from underpaint.cli.connection import connect_or_start
from underpaint.cli.console import JsonOption, guarded, print_json, progress_bar
from underpaint.cli.options import (
    GuidanceOption,
    ModelOption,
    NegativeOption,
    SchedulerOption,
    SeedOption,
    StepsOption,
)
from underpaint.errors import InvalidRequest, Violation
from underpaint.types import LATENTS_FORMAT, Image, LatentsAction, LatentsRequest

app = typer.Typer(no_args_is_help=True, help="Encode, noise, denoise and decode latents.")

LatentsArgument = Annotated[
    Path, typer.Argument(help="Latents, a .npy file of these commands.", exists=True, dir_okay=False)
]
LatentsOutput = Annotated[Path, typer.Option("--output", "-o", help="Where to write; ends in .npy.")]
StepOption = Annotated[
    int, typer.Option("--step", min=0, help="The step before which they stand, 0 for the most noise.")
]
PicturesOption = Annotated[
    Path | None,
    typer.Option(
        "--step-pictures", metavar="FOLDER", help="Write a picture of each step here.", file_okay=False
    ),
]


def encode(
    image: Annotated[Path, typer.Argument(help="The picture.", exists=True, dir_okay=False)],
    output: LatentsOutput = Path("latents.npy"),
    model: ModelOption = "",
    seed: SeedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make latents of a picture.

    Example: underpaint latents encode photo.png -o photo.npy
    """
    from underpaint.cli.documents import host_of
    from underpaint.testing.reference import read_document

    document = read_document(image)
    picture = host_of(document).read_merged(document.document_id, document.canvas)
    request = LatentsRequest(action=LatentsAction.ENCODE, image=picture, model=_absolute(model), seed=seed)
    _run(request, output, as_json)


def decode(
    latents: LatentsArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where to write; the ending decides the format.")
    ] = Path("decoded.png"),
    model: ModelOption = "",
    as_json: JsonOption = False,
) -> None:
    """Make a picture of latents.

    Example: underpaint latents decode photo.npy -o photo.png
    """
    image, _ = _read(latents)
    request = LatentsRequest(action=LatentsAction.DECODE, image=image, model=_absolute(model))
    _run(request, output, as_json)


def noise(
    latents: LatentsArgument,
    output: LatentsOutput = Path("noised.npy"),
    step: StepOption = 0,
    step_pictures: PicturesOption = None,
    model: ModelOption = "",
    seed: SeedOption = None,
    steps: StepsOption = None,
    scheduler: SchedulerOption = "",
    as_json: JsonOption = False,
) -> None:
    """Put the noise on latents that they have before a step: a photograph dissolves.

    Example: underpaint latents noise photo.npy --step 5 --steps 20 --seed 7 --step-pictures away
    """
    image, rows = _read(latents)
    request = LatentsRequest(
        action=LatentsAction.NOISE,
        image=image,
        model=_absolute(model),
        step=step,
        steps=steps,
        seed=seed,
        scheduler=scheduler,
        step_pictures=step_pictures is not None,
    )
    _run(request, output, as_json, folder=step_pictures, rows=rows)


def denoise(
    latents: LatentsArgument,
    prompt: Annotated[str, typer.Argument(help="What to paint, in words.")] = "",
    output: LatentsOutput = Path("denoised.npy"),
    step: StepOption = 0,
    step_pictures: PicturesOption = None,
    model: ModelOption = "",
    seed: SeedOption = None,
    steps: StepsOption = None,
    guidance: GuidanceOption = None,
    scheduler: SchedulerOption = "",
    negative: NegativeOption = "",
    as_json: JsonOption = False,
) -> None:
    """Go the rest of the way with noised latents: a picture comes out of noise.

    Steps, scheduler and seed are those of 'underpaint latents noise'.

    Example: underpaint latents denoise noised.npy 'mossy stone' --step 5 --steps 20 --seed 7
    """
    image, rows = _read(latents)
    request = LatentsRequest(
        action=LatentsAction.DENOISE,
        image=image,
        model=_absolute(model),
        prompt=prompt,
        negative_prompt=negative,
        guidance_scale=guidance,
        step=step,
        steps=steps,
        seed=seed,
        scheduler=scheduler,
        step_pictures=step_pictures is not None,
    )
    _run(request, output, as_json, folder=step_pictures, rows=rows)


for command in (encode, decode, noise, denoise):
    app.command()(guarded(command))


def _absolute(model: str) -> str:
    # A relative folder means something here and nothing in the daemon.
    return str(Path(model).resolve()) if model and Path(model).is_dir() else model


def _read(path: Path) -> tuple[Image, int]:
    """Latents as they travel, and the rows of one channel."""
    import numpy as np

    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as problem:
        raise _unreadable(path, str(problem)) from problem
    if values.ndim != 3 or values.dtype != np.float32 or not values.size:
        raise _unreadable(path, f"it holds {values.dtype} {values.shape}, not float32 of three dimensions")
    channels, height, width = values.shape
    image = Image(width, channels * height, np.ascontiguousarray(values).tobytes(), LATENTS_FORMAT)
    return image, height


def _unreadable(path: Path, why: str) -> InvalidRequest:
    message = f"{path} holds no latents ({why}). Make some: underpaint latents encode photo.png -o {path}"
    return InvalidRequest(message, violations=[Violation("latents", message)])


def _run(
    request: LatentsRequest, output: Path, as_json: bool, *, folder: Path | None = None, rows: int = 0
) -> None:
    """Writes what comes of a request; `rows` of one channel where it starts from latents."""
    decoding = request.action is LatentsAction.DECODE
    if decoding:
        from underpaint.cli.documents import check_writable

        check_writable(output)
    elif output.suffix != ".npy":
        message = f"{output} does not end in .npy, the format that latents are kept in."
        raise InvalidRequest(message, violations=[Violation("output", message)])
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    with connect_or_start() as client, progress_bar(quiet=as_json) as show_progress:
        job = client.submit(request)
        try:
            final = job.wait(on_update=show_progress)
        except KeyboardInterrupt:
            job.cancel()
            raise
        made, *steps = job.fetch()
        if decoding:
            _picture(made).save(output)
        else:
            _save(made, output, _height(request, made, rows))
        for number, one in enumerate(steps):
            assert folder is not None, "step pictures come where they were asked for"
            _picture(one).save(folder / f"{number:04d}.png")
        job.delete()
    if as_json:
        print_json(
            {"output": str(output), "job": final.name, "request": final.resolved, "pictures": len(steps)}
        )
    else:
        print(f"{output} (seed {final.resolved.get('seed', '?')})")


def _height(request: LatentsRequest, made: Image, rows: int) -> int:
    """Rows of one channel: as many cells for the picture's height as for its width, or those of the file."""
    source = request.image
    if request.action is LatentsAction.ENCODE:
        return source.height * made.width // source.width
    return rows


def _save(made: Image, output: Path, height: int) -> None:
    """As `(channels, height, width)`."""
    import numpy as np

    values = np.frombuffer(made.data, np.float32, made.width * made.height)
    np.save(output, values.reshape(-1, height, made.width))


def _picture(image: Image) -> Any:
    from PIL import Image as Pictures

    size = image.width, image.height
    return Pictures.frombuffer("RGB", size, bytes(image.data), "raw", "RGB", image.row_bytes, 1)
