"""models list, load, unload."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

import underpaint
from underpaint.cli.connection import connect_or_start
from underpaint.cli.console import JsonOption, guarded, print_json, print_table

app = typer.Typer(help="Models that the daemon found on disk.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="A name from 'underpaint models list' or a diffusers folder.")]


@app.command("list")
@guarded
def list_models(as_json: JsonOption = False) -> None:
    """Every model, what it can do, and what is wrong with those that cannot be used."""
    with connect_or_start() as client:
        found = client.models()
    if as_json:
        print_json(asdict(found))
        return
    rows = []
    for model in found.models:
        marks = [
            "default" * (model.name == found.default_model),
            "fills" * (model.name == found.default_inpaint_model),
            "loaded" * model.loaded,
            model.problem,
        ]
        size = f"{model.size_bytes / 1e6:,.0f} MB"
        state = ", ".join(mark for mark in marks if mark)
        roles = ", ".join(one.role for one in model.controls)
        rows.append((model.name, model.family, f"{model.native_size} px", size, roles, state))
    print_table(
        ("model", "family", "native", "size", "controls", "state"),
        rows,
        empty="No models: pip install underpaint-swatch, or name a folder with 'underpaint serve --models'.",
    )


@app.command()
@guarded
def controls(as_json: JsonOption = False) -> None:
    """Control models: which roles they know, and which models they fit."""
    with connect_or_start() as client:
        found = client.control_models()
    if as_json:
        print_json([asdict(one) for one in found])
        return
    rows = [
        (
            one.name,
            ", ".join(one.roles),
            ", ".join(one.models),
            f"{one.size_bytes / 1e6:,.0f} MB",
            one.problem,
        )
        for one in found
    ]
    print_table(
        ("control model", "roles", "fits", "size", "problem"),
        rows,
        empty="No control models: pip install underpaint-swatch, or put one into a model root.",
    )


@app.command()
@guarded
def load(name: Name, as_json: JsonOption = False) -> None:
    """Bring a model into memory now, so that the first picture does not wait for it."""
    with connect_or_start() as client:
        model = client.load_model(name)
    if as_json:
        print_json(asdict(model))
    else:
        print(f"{model.name} is in memory.")


@app.command()
@guarded
def unload(
    name: Annotated[str, typer.Argument(help="A model's name; nothing means all.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Give a model's memory back. It is loaded again when a job needs it."""
    with underpaint.connect(start=False) as client:
        client.unload_model(name)
    if as_json:
        print_json({"unloaded": name or "all"})
    else:
        print(f"{name or 'Every model'} is out of memory.")
