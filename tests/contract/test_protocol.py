"""The wire as it is written down, and the code that was generated from it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GENERATED = ("v1", "worker_v1")


def test_the_generated_code_is_what_the_protos_say(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "proto" / "generate.py"), str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    for package in GENERATED:
        fresh = {path.name: path.read_text("utf-8") for path in (tmp_path / "underpaint" / package).iterdir()}
        folder = ROOT / "sdk" / "underpaint" / package
        kept = {path.name: path.read_text("utf-8") for path in folder.iterdir() if path.is_file()}
        assert kept == fresh, "run: make proto"


def test_the_protos_keep_the_rules_of_buf() -> None:
    buf = Path(sys.executable).with_name("buf")
    done = subprocess.run([str(buf), "lint"], cwd=ROOT / "proto", capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "")
