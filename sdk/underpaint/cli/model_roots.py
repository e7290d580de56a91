"""models roots: the folders in which the daemon looks for models."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from underpaint.cli.console import JsonOption, guarded, print_json, print_table
from underpaint.errors import InvalidRequest
from underpaint.wire.paths import model_roots_file

if TYPE_CHECKING:
    from underpaint.daemon.roots.folders import Layout

app = typer.Typer(
    help="Folders in which the daemon looks for models, ComfyUI's and others' among them.",
    no_args_is_help=True,
)
Root = Annotated[Path, typer.Argument(help="A folder, or an extra_model_paths.yaml.")]


@app.command("list")
@guarded
def list_roots(as_json: JsonOption = False) -> None:
    """The folders that were added, and what they turned out to be."""
    from underpaint.daemon.roots import kept, layouts

    _show(
        [(root, layouts.read(root)) for root in kept.read(model_roots_file())],
        as_json=as_json,
        empty="No folder was added: underpaint models roots add FOLDER, or look with: roots find",
    )


@app.command()
@guarded
def add(root: Root, as_json: JsonOption = False) -> None:
    """Look for models in one more folder: ComfyUI, A1111, StabilityMatrix, a Hugging Face cache, any other.

    Nothing is copied or changed there. A running daemon sees it at the next listing.
    """
    from underpaint.daemon.roots import kept, layouts

    path = _absolute(root)
    layout = layouts.read(path)
    if layout.problem:
        raise InvalidRequest(f"{path} cannot be added: {layout.problem}.")
    file = model_roots_file()
    kept.write(file, tuple(dict.fromkeys((*kept.read(file), path))))
    _show([(path, layout)], as_json=as_json, empty="")


@app.command()
@guarded
def remove(root: Root, as_json: JsonOption = False) -> None:
    """Look for models in a folder no longer. Its files stay as they are."""
    from underpaint.daemon.roots import kept

    path = _absolute(root)
    roots = kept.read(model_roots_file())
    if path not in roots:
        there = ", ".join(str(one) for one in roots) or "none"
        raise InvalidRequest(f"{path} was not added; the folders are: {there}.")
    kept.write(model_roots_file(), tuple(one for one in roots if one != path))
    if as_json:
        print_json({"removed": str(path)})
    else:
        print(f"{path} is looked at no longer.")


@app.command()
@guarded
def find(
    take: Annotated[bool, typer.Option("--add", help="Add what is found.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Look where ComfyUI, A1111, StabilityMatrix and Hugging Face keep models by themselves.

    Asks for those places by name and searches nothing; adds nothing without --add.
    """
    from underpaint.daemon.roots import kept, well_known

    found = well_known.find()
    if take and found:
        file = model_roots_file()
        kept.write(file, tuple(dict.fromkeys((*kept.read(file), *(path for path, _ in found)))))
    _show(
        found, as_json=as_json, empty="None of them is in its usual place: underpaint models roots add FOLDER"
    )
    if found and not take and not as_json:
        print("Nothing was added. To add them: underpaint models roots find --add")


def _absolute(root: Path) -> Path:
    # Links stay as they are written: what they lead to may change.
    return Path(os.path.normpath(Path.cwd() / root.expanduser()))


def _show(found: list[tuple[Path, Layout]], *, as_json: bool, empty: str) -> None:
    if as_json:
        print_json(
            [
                {
                    "path": str(path),
                    "layout": layout.name,
                    "folders": [str(folder.path) for folder in layout.folders],
                    "problem": layout.problem,
                }
                for path, layout in found
            ]
        )
        return
    rows = [(path, layout.name, len(layout.folders), layout.problem) for path, layout in found]
    print_table(("folder", "layout", "folders with models", "problem"), rows, empty=empty)
