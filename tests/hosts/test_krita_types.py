"""The Krita plug-in passes a strict type checker, against the stubs of the real Krita."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import underpaint
from tests.hosts.krita_stubs import STUB_FILE

PLUGIN = Path(__file__).resolve().parents[2] / "plugins" / "krita" / "underpaint_krita"


def test_the_plugin_is_strictly_typed(tmp_path: Path) -> None:
    try:
        metadata.version("PyQt5-stubs")
    except metadata.PackageNotFoundError:
        pytest.skip("PyQt5-stubs is not installed: pip install ./plugins/krita/stubs")
    shutil.copyfile(STUB_FILE, tmp_path / "krita.pyi")
    sdk = Path(underpaint.__file__).parents[1]
    checked = subprocess.run(
        # PyQt6 has no types here; it is imported through one module that calls it Any.
        [sys.executable, "-m", "mypy", "--strict", "--ignore-missing-imports", "--config-file=", str(PLUGIN)],
        env={**os.environ, "MYPYPATH": f"{sdk}{os.pathsep}{tmp_path}"},
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
