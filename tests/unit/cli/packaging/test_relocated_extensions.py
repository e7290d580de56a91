"""Plug-ins that extend a packed host: they bring another copy of underpaint than the host has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.packaging import pythons
from tests.unit.cli.packaging.conftest import Files, unpack

Run = Callable[..., str]

PLUGIN = """
from plugin_copy._vendor.underpaint.hookspecs import Verb, hookimpl

@hookimpl
def underpaint_verbs():
    return [Verb(name="wear", title="Wear down", start=lambda session, values: None, texts=("prompt",))]
"""
CODE = """
from sample_host._vendor.underpaint.host.extensions import load_extensions, values_for
found = load_extensions()
assert [info.problem for info in found.infos()] == ["", ""], found.infos()
verb = found.verbs["wear"]
assert type(verb).__module__.startswith("plugin_copy."), type(verb)
assert values_for(verb, prompt="moss") == {"prompt": "moss"}
print(sorted(found.verbs.keys() & {"variation", "wear"}), sorted(found.control_sources))
"""


@pytest.mark.parametrize("version", pythons.VERSIONS)
def test_a_plugin_with_its_own_copy_of_underpaint_extends_a_packed_host(
    version: str, run: Run, sample_files: Files, tmp_path: Path
) -> None:
    place = unpack(sample_files, tmp_path / "host")
    unpack(sample_files, place, rename="plugin_copy")
    (place / "wear_down.py").write_text(PLUGIN, "utf-8")
    described = place / "wear_down-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: wear-down\nVersion: 1.0\n", "utf-8")
    (described / "entry_points.txt").write_text("[underpaint.hosts]\nwear = wear_down\n", "utf-8")
    said = run(version, CODE, place)
    assert said.strip() == "['variation', 'wear'] ['layer', 'merged', 'selection']"


WHEEL = """
from underpaint.errors import HostError
from underpaint.hookspecs import Verb, hookimpl
from underpaint.types import Parameter

def start(session, values):
    raise HostError("Not today.")

@hookimpl
def underpaint_verbs():
    number = Parameter(name="wear", default=0.5, minimum=0.0, maximum=1.0)
    return [Verb(name="wear", title="Wear down", start=start, numbers=(number,))]
"""
IN_A_HOST = """
import sys
from sample_host._vendor.underpaint.errors import HostError
from sample_host._vendor.underpaint.host import load_extensions, start_verb
found = load_extensions()
assert [info.problem for info in found.infos()] == ["", ""], found.infos()
import underpaint.hookspecs.verbs
assert underpaint.hookspecs.verbs is sys.modules["sample_host._vendor.underpaint.hookspecs.verbs"]
assert type(found.verbs["wear"]) is underpaint.hookspecs.verbs.Verb
try:
    start_verb(None, found.verbs["wear"], {})
except HostError as refused:  # the host's own class, so that the host shows it as it shows its own
    print(refused)
load_extensions()
assert sum(type(finder).__name__ == "_Alias" for finder in sys.meta_path) == 1
"""


@pytest.mark.parametrize("version", pythons.VERSIONS)
def test_a_plugin_of_others_that_says_underpaint_gets_the_copy_of_the_host(
    version: str, run: Run, sample_files: Files, tmp_path: Path
) -> None:
    place = unpack(sample_files, tmp_path / "host")
    (place / "wear_down.py").write_text(WHEEL, "utf-8")
    described = place / "wear_down-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: wear-down\nVersion: 1.0\n", "utf-8")
    (described / "entry_points.txt").write_text("[underpaint.hosts]\nwear = wear_down\n", "utf-8")
    assert run(version, IN_A_HOST, place).strip() == "Not today."
