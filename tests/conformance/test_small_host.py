"""The suite on a host that can do little, and where there is little: no numpy, no grpcio, no pytest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.conformance.flat import FlatRig
from tests.unit.cli.packaging import pythons
from underpaint.host import Capability
from underpaint.testing.conformance import CHECKS, Report, Status, Suite
from underpaint.testing.conformance.daemon import FakeLink

ROOT = Path(__file__).parents[2]
BARE = """
import importlib.abc, json, sys

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("numpy", "grpc", "pytest", "_pytest", "typer", "rich", "PIL"):
            raise ModuleNotFoundError(f"{name} is not here", name=name)

sys.meta_path.insert(0, Missing())
from pathlib import Path
from tests.conformance.flat import FlatRig
from underpaint.testing.conformance import run

print(json.dumps(run(FlatRig, folder=Path(sys.argv[1])).as_json()))
"""


@pytest.fixture(scope="module")
def report(fake: FakeLink) -> Report:
    with Suite(FlatRig, fake.folder) as suite:
        return suite.run_all()


def test_what_it_declares_passes_and_the_rest_is_skipped_by_name(report: Report) -> None:
    assert [outcome.text for outcome in report.of(Status.FAILED)] == []
    skipped = {outcome.name: outcome.message for outcome in report.of(Status.SKIPPED)}
    for name, check in CHECKS.items():
        lacking = [need.value for need in check.needs if need not in FlatRig().adapter.capabilities]
        if lacking:
            assert skipped[name] == f"not declared: {', '.join(lacking)}"
    assert skipped["document-cropped"] == "the rig cannot crop"
    assert skipped["read-u16-srgb"] == "the rig opens no u16 documents in srgb (see Rig.formats)"
    assert "flat 0.1 is conformant" in report.badge
    assert report.unproved == []


def test_a_capability_that_the_rig_cannot_show_is_not_praised(fake: FakeLink) -> None:
    class Boastful(FlatRig):
        def __init__(self) -> None:
            super().__init__()
            self.adapter.capabilities = frozenset({Capability.UNDO, Capability.SELECTION})

    with Suite(Boastful, fake.folder) as suite:
        report = suite.run_all(["selection-polarity", "one-undo-step"])
    assert report.unproved == ["selection"]
    assert report.badge.endswith("capabilities: undo; declared but not checked: selection)")


@pytest.mark.parametrize("version", pythons.VERSIONS)
def test_it_runs_in_a_hosts_python_with_the_client_alone(version: str, fake: FakeLink) -> None:
    python = pythons.find(version)
    if python is None:
        pytest.skip(f"there is no Python {version} on this machine")
    site = sysconfig.get_paths()["purelib"]
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("UNDERPAINT_")},
        "PYTHONPATH": os.pathsep.join((str(ROOT / "sdk"), str(ROOT), site)),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [python, "-c", BARE, str(fake.folder)],
        env=environ,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [check for check in found["checks"] if check["status"] == "failed"] == []
    assert found["passed"]
    assert sum(check["status"] == "passed" for check in found["checks"]) > 30
    assert found["badge"]["color"] == "brightgreen"


def test_the_rig_of_a_simple_host_fits_on_two_screens() -> None:
    source = Path(sys.modules[FlatRig.__module__].__file__ or "").read_text("utf-8")
    rig = source[source.index("class FlatRig") :]
    assert len(rig.splitlines()) <= 65
