"""`underpaint`: one typer application, a module a group of commands."""

from __future__ import annotations

from typing import Annotated

import typer

import underpaint
from underpaint.cli import (
    bench,
    conformance,
    doctor,
    edit,
    expand,
    hosts,
    inspect,
    jobs,
    latents,
    models,
    new_host,
    pictures,
    plugins,
    preprocess,
    serve,
    sign,
    textures,
    upscale,
)
from underpaint.cli.console import guarded

app = typer.Typer(
    help="Diffusion for host programs, through one local daemon.\n\n"
    "Start with: underpaint txt2img 'old brick wall' -o wall.png\n\n"
    "The daemon starts by itself at the first picture; 'underpaint doctor' tells what is missing.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"underpaint {underpaint.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Diffusion for host programs, through one local daemon."""


for command in (
    pictures.txt2img,
    pictures.img2img,
    pictures.inpaint,
    expand.expand,
    edit.edit,
    serve.serve,
    serve.stop,
):
    app.command()(guarded(command))
app.command()(guarded(doctor.doctor))
app.command()(guarded(bench.bench))
app.command()(guarded(preprocess.preprocess))
app.command()(guarded(inspect.inspect))
app.command()(guarded(sign.sign))
app.command()(guarded(upscale.upscale))
app.command()(guarded(plugins.plugins))
app.command()(guarded(conformance.conformance))
app.command()(guarded(new_host.new_host))
app.add_typer(jobs.app, name="jobs")
app.add_typer(models.app, name="models")
app.add_typer(latents.app, name="latents")
app.add_typer(hosts.app, name="hosts")
app.add_typer(textures.app, name="textures")
