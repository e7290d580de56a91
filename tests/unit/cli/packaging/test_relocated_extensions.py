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
print(sorted(found.verbs), sorted(found.control_sources))
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
