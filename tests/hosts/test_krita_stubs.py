"""Krita's type stubs say what the real Krita says, and a type checker can use them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from tests.hosts.krita_stubs import STUB_FILE, regenerate
from tests.hosts.sandbox import HostSandbox


def test_the_stubs_are_what_the_real_krita_gives(sandbox: HostSandbox) -> None:
    given = regenerate(sandbox)
    assert STUB_FILE.read_text() == given, "run `python -m tests.hosts.krita_stubs`"


def test_the_stubs_pass_a_strict_type_checker(tmp_path: Path) -> None:
    try:
        metadata.version("PyQt5-stubs")
    except metadata.PackageNotFoundError:
        pytest.skip("PyQt5-stubs is not installed: pip install ./plugins/krita/stubs")
    # under the name it is imported by: mypy takes no file in a folder called krita-stubs
    shutil.copyfile(STUB_FILE, tmp_path / "krita.pyi")
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "krita.pyi"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
