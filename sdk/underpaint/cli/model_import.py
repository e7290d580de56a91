"""models import: a file or folder of this machine, or a model of the Hugging Face hub."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from underpaint.cli import hub, keep
from underpaint.cli.console import JsonOption, errors, guarded, print_json, print_table
from underpaint.errors import InvalidRequest, StorageFull
from underpaint.weights import Prober
from underpaint.wire.paths import model_roots_file, models_dir

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


@guarded
def import_model(
    what: Annotated[str, typer.Argument(help="A weight file, a diffusers folder, or OWNER/NAME on the hub.")],
    file: Annotated[
        list[str] | None, typer.Option("--file", help="A file of the repository, where it is no whole model.")
    ] = None,
    revision: Annotated[
        str, typer.Option(help="Branch, tag or commit of the repository. [default: its main branch]")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Download without asking.")] = False,
    copy: Annotated[
        bool, typer.Option("--copy", help="Copy a local file even where a hard link would do.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring a model into your own folder of models, where the daemon finds it.

    A file or folder is looked at first; then it is linked, or copied where that cannot be. From the hub a
    pinned commit comes, is verified, and goes on where it was broken off. Models that lie in other programs'
    folders need no import: underpaint models roots add FOLDER.
    """
    local = Path(what).expanduser()
    if local.exists():
        facts = _local(local, dry_run=dry_run, copy=copy)
    elif _HUB_NAME.fullmatch(what):
        facts = _from_hub(what, revision, file or [], dry_run=dry_run, yes=yes, quiet=as_json)
    else:
        raise InvalidRequest(f"There is no {what}, and it is no OWNER/NAME of the hub's.")
    if as_json:
        print_json(facts)
    elif not dry_run:
        print(f"{facts['path']} is there. See: underpaint models list")


def _local(source: Path, *, dry_run: bool, copy: bool) -> dict[str, Any]:
    folder = models_dir()
    if dry_run:
        keep.check(source)
        print(f"{source} would be put into {folder}.", file=sys.stderr)
        return {"path": str(folder / source.name), "done": False}
    path = keep.bring(source, folder, copy=copy)
    _add_root(folder)
    return {"path": str(path), "done": True}


def _from_hub(
    repository: str, revision: str, wanted: list[str], *, dry_run: bool, yes: bool, quiet: bool
) -> dict[str, Any]:
    plan = hub.plan(repository, revision, wanted)
    folder = models_dir() / repository
    facts = {
        "repository": repository,
        "revision": plan.revision,
        "license": plan.license,
        "path": str(folder),
        "size_bytes": plan.size,
        "files": {one.name: one.size for one in plan.files},
        "done": False,
    }
    if not quiet:
        rows = [(one.name, f"{one.size / 1e6:,.1f} MB") for one in plan.files]
        print_table(("file", "size"), rows, empty="")
        print(
            f"{repository} at {plan.revision}, license: {plan.license}; {plan.size / 1e6:,.1f} MB -> {folder}"
        )
    if dry_run:
        return facts
    _agree(yes)
    _check_room(folder, plan.size)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=errors, disable=quiet, transient=True) as bar:
        task = bar.add_task("downloading", total=plan.size)
        digests = hub.download(plan, folder, lambda count: bar.advance(task, count))
    _add_root(models_dir())
    problems = _problems(folder, list(digests))
    for name, problem in problems.items():
        errors.print(f"{name} came, and cannot be used: {problem}", markup=False)
    return {**facts, "sha256": digests, "problems": problems, "done": True}


def _agree(yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise InvalidRequest("Nobody is there to be asked: say --yes to download, or --dry-run to look only.")
    if not typer.confirm("Download?", err=True):
        raise typer.Exit(0)


def _check_room(folder: Path, needed: int) -> None:
    place = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise StorageFull(
            f"{needed / 1e9:,.1f} GB would come, and {place} has {free / 1e9:,.1f} GB free. Free some, or "
            "set UNDERPAINT_MODELS_DIR to a folder on another disk.",
            metadata={"needed_bytes": str(needed), "available_bytes": str(free)},
        )


def _problems(folder: Path, names: list[str]) -> dict[str, str]:
    weights = [name for name in names if name.endswith((".safetensors", ".gguf"))]
    found = {name: Prober().probe(folder / name).problem for name in weights}
    return {name: problem for name, problem in found.items() if problem}


def _add_root(folder: Path) -> None:
    """So that the daemon looks there; a running one sees it at the next listing."""
    from underpaint.daemon.roots import kept

    file = model_roots_file()
    kept.write(file, tuple(dict.fromkeys((*kept.read(file), folder))))
