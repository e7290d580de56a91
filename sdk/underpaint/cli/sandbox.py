"""Starts the process that reads pickles: with two open files, no network, and next to no environment."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, BinaryIO, Final

from underpaint.errors import ModelUnusable

CHILD: Final = "underpaint.engine.pickles"
# Nothing that names a token or a proxy goes along.
_KEPT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR")


def convert(source: BinaryIO, target: BinaryIO, name: str) -> dict[str, Any]:
    """What the process reports: `sha256` of what it wrote and the number of `tensors`.

    Raises `ModelUnusable` where it refuses the file, or a limit stopped it. POSIX only: Windows has no way to
    hand over open files so.
    """
    numbers = (source.fileno(), target.fileno())
    command = [*without_network(), sys.executable, "-m", CHILD, *map(str, numbers)]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        pass_fds=numbers,
        env=environment(),
        check=False,
    )
    report = _report(done.stdout)
    if done.returncode == 0 and report:
        return report
    why = str(report.get("error") or _stopped(done.returncode, done.stderr))
    raise ModelUnusable(
        f"{name!r} was not converted: {why}. Nothing was written. Get the model as safetensors.",
        metadata={"file": name},
    )


def environment() -> dict[str, str]:
    """The variables that the process gets."""
    return {**{key: os.environ[key] for key in _KEPT if key in os.environ}, "OMP_NUM_THREADS": "1"}


def without_network() -> list[str]:
    """A network of its own, which has no way out, where the system lets users make one (Linux)."""
    program = shutil.which("unshare")
    if program is None:
        return []
    own = [program, "--user", "--map-root-user", "--net", "--"]
    allowed = subprocess.run([*own, "true"], capture_output=True, check=False).returncode == 0
    return own if allowed else []


def _report(output: bytes) -> dict[str, Any]:
    lines = output.decode("utf-8", "replace").strip().splitlines()
    try:
        found = json.loads(lines[-1]) if lines else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _stopped(status: int, errors: bytes) -> str:
    if status < 0:
        return f"its process was stopped ({signal.Signals(-status).name}), by a limit or for want of memory"
    last = errors.decode("utf-8", "replace").strip().splitlines()
    return last[-1][:300] if last else f"its process ended with status {status}"


def target_of(file: Path) -> Path:
    """Where the converted file goes, if nobody says: transformers' folders call theirs `model`."""
    stem = "model" if file.stem == "pytorch_model" else file.stem
    return file.with_name(f"{stem}.safetensors")
