"""The built zips: the hosts' own importers take them, the hosts load them, and nobody meets our libraries."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.hosts.sandbox import HostSandbox
from underpaint.cli import packaging

LOADED = """
import sys

LIBRARIES = {"google", "grpclib", "h2", "hpack", "hyperframe", "multidict", "pluggy", "underpaint"}


def loaded():
    return {
        "leaked": sorted(name for name in sys.modules if name.partition(".")[0] in LIBRARIES),
        "ours": [name for name in sys.modules if name.endswith("._vendor.underpaint")],
    }
"""
KRITA = (
    LOADED
    + """
def main(host):
    from krita import Krita
    host.report(dockers=[docker.objectName() for docker in Krita.instance().dockers()], **loaded())
"""
)
BLENDER = (
    LOADED
    + """
def main(host):
    import bpy
    host.report(enabled=[addon.module for addon in bpy.context.preferences.addons], **loaded())
"""
)
GIMP = """
def main(host):
    from gi.repository import Gimp
    names = Gimp.get_pdb().query_procedures("", "", "", "", "", "", "", "")
    host.report(procedures=[name for name in names if name.startswith("underpaint")])
"""


@pytest.fixture
def environ(sandbox: HostSandbox) -> dict[str, str]:
    """Where an installer outside must put things for the hosts inside."""
    return {**sandbox.environ_outside, "PATH": os.environ["PATH"]}


def test_kritas_own_importer_takes_the_zip(sandbox: HostSandbox, tmp_path: Path) -> None:
    archive = packaging.build("krita", tmp_path / "zips")
    sandbox.bind(archive.parent)
    (sandbox.home / "resources").mkdir()
    importer = "/usr/share/krita/pykrita/plugin_importer/plugin_importer.py"
    done = sandbox.run(["python3", importer, str(archive), "/home/painter/resources"])
    assert done.returncode == 0, done.output
    assert "Imported plugin: underpaint" in done.output
    plugins = sandbox.home / "resources" / "pykrita"
    assert (plugins / "underpaint_krita.desktop").is_file()
    assert (plugins / "underpaint_krita" / "_vendor" / "build.json").is_file()


def test_krita_loads_what_is_installed(sandbox: HostSandbox, environ: dict[str, str]) -> None:
    packaging.install("krita", environ=environ)
    values = sandbox.run_krita(KRITA)
    assert [name for name in values["dockers"] if "underpaint" in name]
    assert values["leaked"] == []
    assert len(values["ours"]) == 1


def test_gimp_lists_our_procedures(sandbox: HostSandbox, environ: dict[str, str]) -> None:
    packaging.install("gimp", environ=environ)
    values = sandbox.run_gimp(GIMP)
    assert {"underpaint-fill", "underpaint-generate"} <= set(values["procedures"])


def test_blenders_own_importer_validates_and_takes_the_zip(sandbox: HostSandbox, tmp_path: Path) -> None:
    archive = packaging.build("blender", tmp_path / "zips")
    sandbox.bind(archive.parent)
    done = sandbox.run(["blender", "--command", "extension", "validate", str(archive)])
    assert done.returncode == 0, done.output
    sandbox.install_blender_extension(archive)
    values = sandbox.run_blender(BLENDER)
    assert "bl_ext.user_default.underpaint" in values["enabled"]
    assert values["leaked"] == []
    assert len(values["ours"]) == 1
