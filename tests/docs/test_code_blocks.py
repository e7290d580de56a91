"""Every code block of the README and of docs/ does what the page says."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from PIL import Image as Pictures
from PIL import ImageDraw

from tests.docs.blocks import LANGUAGES, ROOT, Block, Reader, blocks, daemon_of, environment, pages
from underpaint.testing.fake_daemon import FakeDaemon
from underpaint.testing.reference import Document, PaintLayer, write_document

README: Final = ROOT / "README.md"
TUTORIAL: Final = ROOT / "docs" / "tutorial" / "new-host.md"
ELSEWHERE: Final = {
    "make demo": "installs two gigabytes; the hosts' folder shows its picture",
    "make test": "runs these very tests",
    "underpaint bench": "takes a minute and needs a quiet machine; tests/unit/cli runs its parts",
}
"""Lines of the README that are not run, with the reason. Other pages say it in comments."""


@pytest.fixture
def reader(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Reader]:
    """A folder with a few pictures, and whatever daemon the page asks for."""
    page: Path = request.param
    folder = tmp_path / "reader"
    (folder / "home").mkdir(parents=True)
    (folder / ".venv").symlink_to(sys.prefix)  # as in a checkout
    _pictures(folder)
    with _daemon(daemon_of(page), request, tmp_path) as places:
        environ = environment(folder, places, Path(sys.executable).parent)
        for name in [name for name in os.environ if name.startswith("UNDERPAINT_")]:
            monkeypatch.delenv(name)
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(folder)
        yield Reader(folder, environ)


@contextlib.contextmanager
def _daemon(kind: str, request: pytest.FixtureRequest, scratch: Path) -> Iterator[Mapping[str, str]]:
    runtime = Path(tempfile.mkdtemp(prefix="up-"))
    places = {"RUNTIME": runtime, "STATE": scratch / "state", "CONFIG": scratch / "config"}
    try:
        if kind == "real":
            yield request.getfixturevalue("installation").places
            return
        own = {f"UNDERPAINT_{name}_DIR": str(place) for name, place in places.items()}
        if kind == "none":
            yield own
            return
        with FakeDaemon(runtime):
            yield own
    finally:
        shutil.rmtree(runtime)


def _pictures(folder: Path) -> None:
    """What the pages call sketch.png, wall.png, hole.png and farm.ora."""
    for name, color in (("sketch", "tan"), ("wall", "firebrick")):
        picture = Pictures.new("RGB", (96, 64), color)
        ImageDraw.Draw(picture).ellipse((20, 12, 60, 52), fill="grey")
        picture.save(folder / f"{name}.png")
    hole = Pictures.new("L", (96, 64))
    ImageDraw.Draw(hole).ellipse((30, 20, 66, 46), fill=255)
    hole.save(folder / "hole.png")
    ground = np.full((64, 96, 4), (120, 160, 80, 255), np.uint8)
    here = np.zeros((20, 30, 4), np.uint8)
    here[...] = (255, 255, 255, 255)
    layers = (PaintLayer(name="Here", samples=here, x=30, y=20), PaintLayer(name="Field", samples=ground))
    write_document(Document(96, 64, layers=layers), folder / "farm.ora")


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


# The tutorial has a test of its own, which begins with an empty folder.
@pytest.mark.parametrize("reader", [page for page in pages() if page != TUTORIAL], ids=_name, indirect=True)
def test_the_blocks_of_a_page_do_what_it_says(reader: Reader, request: pytest.FixtureRequest) -> None:
    page: Path = request.node.callspec.params["reader"]
    for block in blocks(page):
        if page == README:
            block = _without_exceptions(block)
        if not block.not_run and not block.runs_in:
            reader.follow(block)


@pytest.mark.parametrize("page", pages(), ids=_name)
def test_every_block_says_what_it_is(page: Path) -> None:
    for block in blocks(page):
        known = LANGUAGES if page != README else (*LANGUAGES, "")
        assert block.language in known, f"{block}: name one of {', '.join(LANGUAGES)}"
        assert not block.not_run or len(block.not_run) > 15, f"{block}: say why it is not run"


def test_no_exception_outlives_its_line() -> None:
    lines = README.read_text("utf-8").splitlines()
    for begins in ELSEWHERE:
        assert any(line.startswith(begins) for line in lines), f"the README has no {begins!r} any more"


def _without_exceptions(block: Block) -> Block:
    kept = [line for line in block.text.splitlines() if not line.startswith(tuple(ELSEWHERE))]
    return replace(block, language=block.language or "sh", text="\n".join(kept) + "\n")
