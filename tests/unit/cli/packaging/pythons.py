"""The Pythons of this machine, found by their names on the PATH or in pyenv's folder."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

VERSIONS = ("3.10", "3.11", "3.12", "3.13")


@functools.cache
def find(version: str) -> str | None:
    """The path of a Python that runs and has that version; None if there is none."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates = [shutil.which(f"python{version}"), *map(str, root.glob(f"versions/{version}.*/bin/python"))]
    for candidate in filter(None, candidates):
        # pyenv puts a shim on the PATH for every version, which fails for those that are not switched on.
        asked = subprocess.run(
            [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"],
            capture_output=True,
            text=True,
            check=False,
        )
        said = asked.stdout.split(maxsplit=1)
        if asked.returncode == 0 and said[0] == version:
            return said[1].strip()
    return None
