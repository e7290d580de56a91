"""The scripts that docs/how-to/scripting.md shows, run as it says, in the real GIMP and the real Blender."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image as Pictures

from tests.docs.blocks import ROOT, blocks
from tests.hosts import programs
from tests.hosts.gimp_setup import install_plugin
from tests.hosts.sandbox import HostSandbox
from tests.support.installation import Installation
from underpaint.cli import packaging

PAGE = ROOT / "docs" / "how-to" / "scripting.md"


def _follow(sandbox: HostSandbox, host: str, daemon: Installation, folder: Path) -> str:
    """Writes the files of the page and runs its commands in `folder`; returns what the host said."""
    sandbox.bind(folder)
    said = ""
    for block in blocks(PAGE):
        if block.runs_in != host:
            continue
        if block.title:
            (folder / block.title).write_text(block.text, "utf-8")
            continue
        command = ["bash", "-ec", f"cd '{folder}'; {block.text}"]
        finished = sandbox.run(command, environ=daemon.places, timeout=900)
        assert finished.returncode == 0, finished.output
        said += finished.output
    return said


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    work = tmp_path / "work"
    work.mkdir()
    Pictures.new("RGB", (96, 64), "firebrick").save(work / "wall.png")
    return work


def test_the_gimp_script_fills_the_ellipse(
    sandbox: HostSandbox, daemon: Installation, folder: Path, tmp_path: Path
) -> None:
    programs.prepare_gimp(sandbox.home)
    install_plugin(sandbox, tmp_path / "zip")
    daemon.serve()
    said = _follow(sandbox, "gimp", daemon, folder)
    assert "filled: old brick wall" in said
    with Pictures.open(folder / "mended.png") as mended:
        picture = mended.convert("RGB")
    assert picture.size == (96, 64)
    red = Pictures.new("RGB", (1, 1), "firebrick").getpixel((0, 0))
    assert picture.getpixel((48, 33)) != red
    assert picture.getpixel((2, 2)) == picture.getpixel((93, 61)) == red


def test_the_blender_script_paints_a_texture(
    sandbox: HostSandbox, daemon: Installation, folder: Path, tmp_path: Path
) -> None:
    sandbox.install_blender_extension(packaging.build("blender", tmp_path / "zip"))
    daemon.serve()
    said = _follow(sandbox, "blender", daemon, folder)
    assert "painted: " in said
    with Pictures.open(folder / "moss.png") as moss:
        assert moss.size == (64, 64)
        assert len(moss.getcolors(64 * 64)) > 100


def test_every_script_of_the_page_is_run_by_one_of_these_tests() -> None:
    assert {block.runs_in for block in blocks(PAGE)} == {"gimp", "blender"}
