"""models list, show, load, unload, yield."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

import underpaint
from underpaint.cli import convert, model_import, model_roots
from underpaint.cli.connection import connect_or_start
from underpaint.cli.console import JsonOption, guarded, print_json, print_table
from underpaint.errors import ModelNotFound
from underpaint.weights import Prober

app = typer.Typer(help="Models that the daemon found on disk.", no_args_is_help=True)
app.add_typer(model_roots.app, name="roots")
app.command()(convert.convert)
app.command("import")(model_import.import_model)
NONE = "No models: pip install underpaint-swatch, or add a folder: underpaint models roots add."
Name = Annotated[
    str, typer.Argument(help="A name from 'underpaint models list', a diffusers folder or a checkpoint.")
]


@app.command("list")
@guarded
def list_models(
    kind: Annotated[
        str,
        typer.Option(help="Only this kind: lora, vae …; all: every kind. [default: what paints]"),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Every model, what it is, where it lies, and why those cannot be used that cannot."""
    with connect_or_start() as client:
        found = client.models(kind)
    if as_json:
        print_json(asdict(found))
        return
    rows = []
    for model in found.models:
        marks = [
            "default" * (model.name == found.default_model),
            "fills" * (model.name == found.default_inpaint_model),
            "loaded" * model.loaded,
        ]
        size = f"{model.size_bytes / 1e6:,.0f} MB"
        state = ", ".join(mark for mark in marks if mark)
        roles = ", ".join(one.role for one in model.controls)
        rows.append((model.name, model.kind, model.family, size, roles, state, model.path, model.problem))
    print_table(
        ("model", "kind", "family", "size", "controls", "state", "path", "why not"),
        rows,
        empty=f"There are none of the kind {kind!r}." if kind else NONE,
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
            one.kind,
            ", ".join(one.roles),
            ", ".join(one.models),
            f"{one.size_bytes / 1e6:,.0f} MB",
            one.problem,
        )
        for one in found
    ]
    print_table(
        ("control model", "kind", "roles", "fits", "size", "problem"),
        rows,
        empty="No control models: pip install underpaint-swatch, or put one into a model root.",
    )


@app.command("loras")
@guarded
def list_loras(as_json: JsonOption = False) -> None:
    """LoRAs: which models they fit, and the words that their makers say to put into the prompt."""
    with connect_or_start() as client:
        found = client.loras()
    if as_json:
        print_json([asdict(one) for one in found])
        return
    rows = [
        (
            one.name,
            one.family,
            ", ".join(one.models),
            one.trigger,
            f"{one.size_bytes / 1e6:,.0f} MB",
            one.problem,
        )
        for one in found
    ]
    print_table(
        ("lora", "family", "fits", "trigger", "size", "problem"),
        rows,
        empty="No LoRAs: put their safetensors files into a folder of models, and add that if it is not one "
        "already: underpaint models roots add.",
    )


@app.command()
@guarded
def presets(as_json: JsonOption = False) -> None:
    """Ways to paint in few steps, by model: what they set, and what is missing for them."""
    with connect_or_start() as client:
        models = client.models().models
    if as_json:
        print_json({model.name: [asdict(one) for one in model.presets] for model in models})
        return
    rows = [
        (
            model.name,
            one.name,
            _numbers(one.scheduler, one.scheduler_parameters),
            str(one.steps),
            f"{one.guidance_scale:g}",
            one.lora,
            one.problem,
        )
        for model in models
        for one in model.presets
    ]
    head = ("model", "preset", "scheduler", "steps", "guidance", "lora", "what is missing")
    print_table(head, rows, empty="No model takes a preset.")


@app.command()
@guarded
def schedulers(as_json: JsonOption = False) -> None:
    """Schedulers, by family, and the numbers that can be set of them with --scheduler-option."""
    with connect_or_start() as client:
        models = client.models().models
    families = {model.family: model.scheduler_info for model in models if model.scheduler_info}
    if as_json:
        print_json({family: [asdict(one) for one in infos] for family, infos in families.items()})
        return
    rows = [
        (
            family,
            one.name,
            parameter.name,
            f"{parameter.default:g}",
            f"{parameter.minimum:g} to {parameter.maximum:g}",
            parameter.title,
        )
        for family, infos in families.items()
        for one in infos
        for parameter in one.parameters
    ]
    head = ("family", "scheduler", "option", "default", "range", "what it is")
    print_table(head, rows, empty=NONE)


def _numbers(name: str, values: Mapping[str, float]) -> str:
    return ", ".join([name, *(f"{key}={value:g}" for key, value in values.items())])


@app.command()
@guarded
def show(name: Name, as_json: JsonOption = False) -> None:
    """All that is known about one model, its file's header included."""
    with connect_or_start() as client:
        found = client.models("all")
    model = found.get(name)
    if model is None:
        raise ModelNotFound(
            f"There is no model {name!r}. 'underpaint models list --kind all' names every one.",
            metadata={"model": name},
        )
    facts = {**asdict(model), **_header(Path(model.path))}
    if as_json:
        print_json(facts)
        return
    told = {what.replace("_", " "): value for what, value in facts.items() if value not in ("", ())}
    told |= {"presets": tuple(one.name for one in model.presets)} if model.presets else {}
    shown = [(what, _text(value)) for what, value in told.items() if what != "scheduler info"]
    print_table(("", ""), shown, empty="")


def _header(path: Path) -> dict[str, object]:
    """What a file's header says beyond kind and family; nothing for a folder or a file of another machine."""
    if not path.is_file():
        return {}
    probe = Prober().probe(path)
    return {
        "format": probe.format,
        "dtype": probe.dtype,
        "parts": probe.parts,
        "vocabulary": probe.vocabulary or "",
    }


def _text(value: object) -> str:
    return ", ".join(str(part) for part in value) if isinstance(value, tuple) else str(value)


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


@app.command("yield")
@guarded
def yield_memory(
    ram: Annotated[bool, typer.Option("--ram", help="Also what idle models hold in RAM.")] = False,
    pause: Annotated[
        float, typer.Option(min=0, max=3600, help="Running jobs wait so long before they go on, in seconds.")
    ] = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Give GPU memory back now, for a render or a game. No job fails.

    Running jobs finish their present step, wait for the pause, fetch again what they need and go on.
    """
    with underpaint.connect(start=False) as client:
        freed = client.yield_memory(ram=ram, pause=pause)
    if as_json:
        print_json(asdict(freed))
    else:
        machine = f", {freed.ram_bytes / 1e6:,.0f} MB of RAM" if ram else ""
        print(f"Given back: {freed.device_bytes / 1e6:,.0f} MB of the GPU{machine}.")
