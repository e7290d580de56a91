"""The tutorial, followed word for word by a script from an empty folder."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, Reader, blocks, environment
from underpaint.host import Capability
from underpaint.testing.conformance import CHECKS

LINE = re.compile(r"^(ok|FAIL|skip) +([\w-]+)", re.MULTILINE)
PAGE = ROOT / "docs" / "tutorial" / "new-host.md"


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Somebody who did everything that the page says, from its top to its end."""
    folder = tmp_path_factory.mktemp("afternoon")
    home = tmp_path_factory.mktemp("home")
    with tempfile.TemporaryDirectory(prefix="up-") as runtime:
        places = {
            "HOME": str(home),
            "UNDERPAINT_RUNTIME_DIR": runtime,
            "UNDERPAINT_STATE_DIR": str(home / "state"),
            "UNDERPAINT_CONFIG_DIR": str(home / "config"),
        }
        one = Reader(folder, environment(folder, places, Path(sys.executable).parent) | places)
        assert list(folder.iterdir()) == []
        for block in blocks(PAGE):
            if not block.not_run:
                one.follow(block)
        yield one


def test_it_ends_in_an_adapter_that_passes_the_suite(reader: Reader) -> None:
    report = reader.seen["underpaint conformance easel_rig"]
    outcomes = {found[2]: found[1] for found in LINE.finditer(report)}
    assert set(outcomes) == set(CHECKS)
    assert [name for name, outcome in outcomes.items() if outcome == "FAIL"] == []
    assert list(outcomes.values()).count("ok") > 45
    assert "easel 1.0 is conformant" in report
    # What the page's program has was asked for, and nothing of it was skipped.
    declared = {
        capability.value for capability in Capability if capability.value in report.split("capabilities:")[1]
    }
    assert declared == {capability.value for capability in Capability} - {"preview"}
    for name in ("selection-soft", "layer-offset", "two-documents", "undo-redo-exact", "no-leaked-blobs"):
        assert outcomes[name] == "ok"


def test_its_tests_run_the_same_checks(reader: Reader) -> None:
    said = reader.seen["python -m pytest -q test_easel.py"]
    found = re.search(r"(\d+) passed, (\d+) skipped", said)
    assert found is not None, said
    assert int(found[1]) + int(found[2]) == len(CHECKS)


def test_nothing_is_needed_that_the_page_does_not_give(reader: Reader) -> None:
    written = {path.name for path in reader.folder.iterdir() if path.suffix == ".py"}
    titled = {block.title.removesuffix(" (goes on)") for block in blocks(PAGE) if block.title}
    assert written == titled


def test_the_adapter_is_as_short_as_an_afternoon(reader: Reader) -> None:
    lines = (reader.folder / "easel_adapter.py").read_text("utf-8").splitlines()
    assert len(lines) < 130
