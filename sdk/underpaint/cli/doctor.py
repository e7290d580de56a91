"""doctor: what is there, what is missing, what to do about it."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec

import typer

import underpaint
from underpaint.cli import packaging
from underpaint.cli.console import JsonOption, print_json, print_table
from underpaint.errors import UnderpaintError
from underpaint.wire.discovery import read_launcher
from underpaint.wire.paths import pixel_dir

ENGINE = ("torch", "diffusers", "transformers", "safetensors", "cv2", "numpy")
DAEMON = ("grpc", "grpc_health", "structlog")
LITTLE_DISK = 5 << 30


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `advice` is empty where nothing needs doing."""

    what: str
    state: str
    ok: bool = True
    advice: str = ""


def doctor(as_json: JsonOption = False) -> None:
    """Look at everything that underpaint needs and say what to do about what is missing.

    Starts nothing and changes nothing. Ends with 1 if something needs doing.
    """
    found = [*_installation(), *_disk(), *_daemon(), *_hosts()]
    if as_json:
        print_json([asdict(finding) for finding in found])
    else:
        rows = [("ok" if f.ok else "!!", f.what, f.state, f.advice) for f in found]
        print_table(("", "what", "state", "what to do"), rows, empty="")
    if not all(finding.ok for finding in found):
        raise typer.Exit(1)


def _installation() -> Iterator[Finding]:
    yield Finding("underpaint", f"{underpaint.__version__}, Python {platform.python_version()}")
    for part, modules in (("daemon", DAEMON), ("engine", ENGINE)):
        missing = [name for name in modules if find_spec(name) is None]
        if missing:
            advice = f"pip install 'underpaint[{'engine' if part == 'engine' else 'daemon'}]'"
            yield Finding(part, f"missing: {', '.join(missing)}", False, advice)
        else:
            yield Finding(part, "installed" if part == "daemon" else f"torch {metadata.version('torch')}")
    launcher = read_launcher()
    if launcher is None:
        yield Finding("start by hosts", "not set up", False, "run 'underpaint hosts install HOST' once")
    else:
        yield Finding("start by hosts", " ".join(launcher.command))


def _disk() -> Iterator[Finding]:
    folder = pixel_dir()
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(existing).free
    advice = "" if free > LITTLE_DISK else "free some space, or set UNDERPAINT_PIXEL_DIR to a larger disk"
    yield Finding("pixel folder", f"{folder}, {free / 1e9:.0f} GB free", free > LITTLE_DISK, advice)


def _daemon() -> Iterator[Finding]:
    try:
        with underpaint.connect(start=False) as client:
            info, models = client.server_info(), client.models()
    except UnderpaintError as problem:
        # Not running is no fault: it starts at the first picture.
        yield Finding("daemon", f"not running ({problem.reason})", True, "it starts by itself when needed")
        return
    yield Finding("daemon", f"{info.version}, process {info.pid}, {info.active_jobs} jobs")
    for worker in info.workers:
        working = worker.state in ("ready", "busy", "starting")
        state = f"{worker.state}, {worker.restarts} restarts"
        yield Finding(f"worker {worker.device}", state, working, worker.problem)
    usable = [model.name for model in models.models if not model.problem]
    advice = "" if usable else "pip install underpaint-swatch, or 'underpaint serve --models FOLDER'"
    yield Finding("models", ", ".join(usable) or "none", bool(usable), advice)


def _hosts() -> Iterator[Finding]:
    for state in packaging.status():
        current = f"plug-in {state.installed}" if state.installed else "no plug-in"
        yield Finding(state.host, f"{state.found}, {current}", True, state.advice)
