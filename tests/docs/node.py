"""Node and the packages of the example client, in a cache outside the checkout."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "other_languages" / "node"
OLDEST = 18
# A registry that stumbles is asked again.
PATIENT = ("--fetch-retries=6", "--fetch-timeout=60000")


class NodeUnavailable(Exception):
    """Node cannot be had here; the message says why."""


def installed() -> Path:
    """The example's folder with its packages beside it: `npm ci`, done once for each lock file."""
    npm = _program("npm")
    digest = hashlib.sha256()
    for name in ("package.json", "package-lock.json"):
        digest.update((EXAMPLE / name).read_bytes())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "underpaint-tests"
    folder = cache / f"node-{digest.hexdigest()[:16]}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "node.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "node_modules").is_dir():
            scratch = folder.with_suffix(".new")
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir()
            for name in ("package.json", "package-lock.json"):
                shutil.copy(EXAMPLE / name, scratch)
            command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", *PATIENT]
            done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, timeout=600)
            if done.returncode != 0:
                raise NodeUnavailable(f"npm ci failed: {done.stderr.strip()[-500:]}")
            scratch.rename(folder)
    return folder


def node() -> str:
    """The program. Installs Debian's where there is none and we are root there, as the host tests do."""
    program = _program("node")
    said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=120, check=True)
    version = int(said.stdout.strip().lstrip("v").partition(".")[0])
    if version < OLDEST:
        raise NodeUnavailable(f"node is {said.stdout.strip()}; the example needs {OLDEST} or later")
    return program


def _program(name: str) -> str:
    if found := shutil.which(name):
        return found
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise NodeUnavailable(f"{name} is not installed: install nodejs and npm")
    for command in (["update", "-q"], ["install", "-qy", "--no-install-recommends", "nodejs", "npm"]):
        done = subprocess.run(["apt-get", *command], stdin=subprocess.DEVNULL, stdout=sys.stderr)
        if done.returncode != 0:
            raise NodeUnavailable(f"{name} is missing, and `apt-get {' '.join(command)}` failed")
    if found := shutil.which(name):
        return found
    raise NodeUnavailable(f"{name} is still missing after apt-get install nodejs npm")
