"""`underpaint conformance` and the pytest face, as an author uses them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from underpaint.cli.app import app
from underpaint.testing.conformance import CHECKS, SUITE_VERSION
from underpaint.testing.conformance.daemon import FakeLink

FLAT = Path(__file__).parent / "flat.py"
ROOT = Path(__file__).parents[2]
BROKEN = """
from tests.conformance.flat import FlatHost, FlatRig
from underpaint.types import Bounds, Image

class Flipped(FlatHost):
    def read_merged(self, document_id: str, bounds: Bounds) -> Image:
        image = super().read_merged(document_id, bounds)
        row = image.row_bytes
        data = bytes(image.data)
        turned = b"".join(data[at : at + row] for at in reversed(range(0, len(data), row)))
        return Image(image.width, image.height, turned, image.format, image.x, image.y)

class BrokenRig(FlatRig):
    def __init__(self) -> None:
        super().__init__()
        self.adapter = self.host = Flipped()
"""


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["conformance", *map(str, arguments)])
    return done.exit_code, done.output


def test_a_right_adapter_ends_with_0_and_the_badge_line(fake: FakeLink) -> None:
    code, said = run(f"{FLAT}:FlatRig", "--folder", fake.folder)
    assert code == 0, said
    assert (
        said.rstrip()
        .splitlines()[-1]
        .startswith(f"underpaint conformance suite {SUITE_VERSION}: flat 0.1 is")
    )
    assert "ok   orientation" in said
    assert "skip groups: not declared: layers" in said


def test_a_wrong_adapter_ends_with_1_and_says_what_to_do(tmp_path: Path) -> None:
    rig = tmp_path / "broken.py"
    rig.write_text(BROKEN, "utf-8")
    code, said = run(rig, "--only", "orientation", "--only", "read-place")
    assert code == 1
    assert "FAIL orientation" in said
    assert "rows arrive bottom first" in said
    assert "do: If your host's rows run upwards" in said
    assert "skip read-place: orientation failed" in said
    code, said = run(f"{rig}:BrokenRig", "--only", "orientation", "--json")
    found = json.loads(said)
    assert (code, found["passed"], found["suite_version"]) == (1, False, SUITE_VERSION)
    assert found["checks"][0]["status"] == "failed"
    assert found["checks"][0]["advice"]
    assert found["badge"]["color"] == "red"


def test_some_checks_alone_are_no_proof(fake: FakeLink) -> None:
    code, said = run("tests.conformance.flat", "--only", "orientation")
    assert code == 0
    assert f"was checked in part (1 of {len(CHECKS)} checks)" in said


def test_the_list_names_every_check_with_its_promise() -> None:
    code, said = run("--list", "--json")
    listed = json.loads(said)
    assert code == 0
    assert [entry["name"] for entry in listed] == list(CHECKS)
    assert all(len(entry["meaning"]) > 20 and len(entry["advice"]) > 20 for entry in listed)
    code, said = run("--list")
    assert code == 0
    assert all(name in said for name in CHECKS)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("no.such.module", "cannot be loaded"),
        ("no_such_file.py", "there is no file"),
        (f"{FLAT}:Nothing", "has no Nothing"),
        (f"{FLAT}:FlatHost", "is no subclass"),
        ("underpaint.testing.conformance.codec", "has 0 rigs"),
        ("", "name the rig"),
    ],
)
def test_a_target_that_is_none_is_refused_with_the_way_out(target: str, words: str) -> None:
    code, said = run(target, "--json")
    error = json.loads(said)["error"]
    assert code == 2
    assert words in error["violations"][0]["description"]


def test_an_unknown_check_is_refused() -> None:
    code, said = run(FLAT, "--only", "no-such-check", "--json")
    assert code == 2
    assert "no-such-check" in json.loads(said)["error"]["violations"][0]["description"]


def test_three_lines_make_one_test_a_check(tmp_path: Path) -> None:
    tests = "from broken import BrokenRig\nfrom underpaint.testing.conformance import conformance_tests\n"
    names = ["orientation", "channel-order", "read-place", "groups"]
    tests += f"TestIt = conformance_tests(BrokenRig, only={names})\n"
    (tmp_path / "broken.py").write_text(BROKEN, "utf-8")
    (tmp_path / "test_it.py").write_text(tests, "utf-8")
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = . {ROOT}\n", "utf-8")
    plain = ["-q", "-rs", "-p", "no:cacheprovider", "-p", "no:asyncio", "-W", "error"]
    command = [sys.executable, "-m", "pytest", *plain, str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert "1 failed, 1 passed, 2 skipped" in done.stdout, done.stdout + done.stderr
    assert "test_conformance[orientation]" in done.stdout
    assert "rows arrive bottom first" in done.stdout
    assert "not declared: layers" in done.stdout
