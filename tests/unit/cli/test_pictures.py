"""Painting commands over a daemon without a model: which pixels go in, and where the result ends."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pictures
from typer.testing import CliRunner

from underpaint.cli.app import app
from underpaint.testing.fake_daemon import FakeDaemon
from underpaint.testing.fake_pictures import color_of
from underpaint.testing.reference import Document, Group, PaintLayer, read_document, write_document
from underpaint.testing.reference.layers import walk
from underpaint.testing.reference.merge import merged
from underpaint.types import DataType
from underpaint.v1 import job_service_pb2 as pb

HOLE = (slice(20, 30), slice(40, 55))
MADE = ("--seed", "5", "--steps", "4", "--model", "fake", "--json")


@pytest.fixture(autouse=True)
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDaemon]:
    """A daemon that paints one colour, which prompt and seed decide."""
    runtime = Path(tempfile.mkdtemp(prefix="up-"))
    monkeypatch.setenv("UNDERPAINT_RUNTIME_DIR", str(runtime))
    monkeypatch.setenv("UNDERPAINT_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("UNDERPAINT_CONFIG_DIR", str(tmp_path / "config"))
    with FakeDaemon(runtime) as running:
        yield running
    shutil.rmtree(runtime)


@pytest.fixture
def farm(tmp_path: Path) -> Path:
    """Here (a soft blob over the sky), a hidden sketch, a group with a hill, and a ground with a gradient."""
    y, x = np.mgrid[0:80, 0:100]
    ground = np.stack([x, y, x + y, np.where(x < 90, 255, 0)], axis=2).astype(np.uint8)
    here = np.full((10, 15, 4), (255, 0, 255, 255), np.uint8)
    here[0, :, 3] = 100
    hill = PaintLayer(name="Hügel", samples=np.full((30, 120, 4), (0, 99, 0, 128), np.uint8), x=-10, y=50)
    layers = (
        PaintLayer(name="Here", samples=here, x=40, y=20),
        PaintLayer(name="Sketch", samples=np.full((80, 100, 4), 77, np.uint8), visible=False),
        Group(name="Land", layers=(hill,)),
        PaintLayer(name="Ground", samples=ground),
    )
    document = Document(100, 80, layers=layers)
    document.active = hill.layer_id
    write_document(document, tmp_path / "farm.ora")
    return tmp_path / "farm.ora"


def call(*arguments: object, code: int = 0) -> Any:
    done = CliRunner().invoke(app, [*map(str, arguments), *MADE])
    assert done.exit_code == code, (done.output, done.exception)
    return json.loads(done.stdout)


def color(prompt: str) -> list[int]:
    return [*color_of(pb.JobSpec(model="fake", prompt=prompt, seed=5, steps=4)), 255]


def seen(document: Document) -> np.ndarray:
    return merged(document.layers, document.canvas, document.format.data_type)


def names(document: Document) -> list[str]:
    return [node.name for node in walk(document.layers)]


def test_a_fill_of_what_a_layer_covers_becomes_a_layer_on_top(farm: Path, tmp_path: Path) -> None:
    before = read_document(farm)
    answer = call("inpaint", farm, "a red barn", "--mask-layer", "Here", "-o", tmp_path / "out.ora")
    assert answer["output"] == str(tmp_path / "out.ora")
    after = read_document(tmp_path / "out.ora")
    assert names(after) == ["a red barn", *names(before)]
    barn, here, *rest = after.layers
    assert isinstance(barn, PaintLayer)
    assert (here.visible, rest[0].visible) == (False, False), "it says where; it is no part of the picture"
    place = (slice(20 - barn.y, 30 - barn.y), slice(40 - barn.x, 55 - barn.x))
    assert barn.samples[place][5, 5].tolist() == color("a red barn")
    assert set(barn.samples[place][0, :, 3]) == {100}, "a soft layer selects softly"
    outside = barn.samples[..., 3].copy()
    outside[place] = 0
    assert not outside.any()
    for old, new in zip(before.layers[1:], rest, strict=True):
        assert (old.name, old.bounds) == (new.name, new.bounds)


def test_the_model_does_not_see_the_layer_that_says_where(
    farm: Path, tmp_path: Path, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    from underpaint.testing.reference.host import ReferenceHost

    reads: list[bytes] = []
    original = ReferenceHost.read_merged

    def noted(self: ReferenceHost, document_id: str, bounds: Any) -> Any:
        image = original(self, document_id, bounds)
        reads.append(bytes(image.data))
        return image

    monkeypatch.setattr(ReferenceHost, "read_merged", noted)
    call("inpaint", farm, "a red barn", "--mask-layer", "Here", "-o", tmp_path / "out.ora")
    (pixels,) = reads
    assert bytes((255, 0, 255, 255)) not in [pixels[at : at + 4] for at in range(0, len(pixels), 4)]


def test_the_merged_picture_keeps_every_pixel_outside(farm: Path, tmp_path: Path) -> None:
    call("inpaint", farm, "a red barn", "--mask-layer", "Here", "-o", tmp_path / "out.png")
    before = read_document(farm)
    expected = merged(before.layers[1:], before.canvas, DataType.U8)
    found = seen(read_document(tmp_path / "out.png"))
    changed = (found != expected).any(axis=2)
    assert changed[HOLE].all()
    changed[HOLE] = False
    assert not changed.any()


def test_a_mask_file_goes_with_layers_too(farm: Path, tmp_path: Path) -> None:
    mask = np.zeros((80, 100), np.uint8)
    mask[60:70, 10:20] = 255
    Pictures.fromarray(mask).save(tmp_path / "mask.png")
    call("inpaint", farm, "straw", "--mask", tmp_path / "mask.png", "-o", farm)
    after = read_document(farm)
    assert names(after)[:2] == ["straw", "Here"]
    assert after.layers[1].visible
    assert seen(after)[65, 15].tolist() == color("straw")


def test_img2img_starts_from_a_layer_that_nobody_sees(
    farm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from underpaint.testing.reference.host import ReferenceHost

    asked: list[str] = []
    original = ReferenceHost.read_layer

    def noted(self: ReferenceHost, document_id: str, layer_id: str, bounds: Any) -> Any:
        asked.append(self.documents[document_id].find(layer_id).name)
        return original(self, document_id, layer_id, bounds)

    monkeypatch.setattr(ReferenceHost, "read_layer", noted)
    call("img2img", farm, "oak", "--layer", "Sketch", "-o", tmp_path / "out.ora")
    after = read_document(tmp_path / "out.ora")
    assert asked == ["Sketch"]
    assert names(after)[0] == "oak"
    assert (seen(after) == color("oak")).all()


def test_pictures_become_layered_files_and_back(tmp_path: Path) -> None:
    Pictures.new("RGB", (64, 48), (1, 2, 3)).save(tmp_path / "wall.png")
    call("img2img", tmp_path / "wall.png", "oak", "-o", tmp_path / "out.ora")
    layered = read_document(tmp_path / "out.ora")
    assert names(layered) == ["oak", "wall"]
    call("txt2img", "moss", "--size", "64x48", "-o", tmp_path / "moss.ora")
    texture = read_document(tmp_path / "moss.ora")
    assert names(texture) == ["moss"]
    assert seen(texture)[0, 0].tolist() == color("moss")


def test_sixteen_bits_stay_sixteen_bits(tmp_path: Path) -> None:
    deep = np.random.default_rng(1).integers(0, 65536, (48, 64, 4), np.uint16)
    deep[..., 3] = 65535
    layer = PaintLayer(name="a", samples=deep)
    write_document(Document(64, 48, data_type=DataType.U16, layers=(layer,)), tmp_path / "a.png")
    Pictures.new("L", (64, 48)).save(tmp_path / "m.png")
    mask = np.zeros((48, 64), np.uint8)
    mask[10:20, 10:20] = 255
    Pictures.fromarray(mask).save(tmp_path / "m.png")
    call("inpaint", tmp_path / "a.png", "moss", "--mask", tmp_path / "m.png", "-o", tmp_path / "b.png")
    found = seen(read_document(tmp_path / "b.png"))
    assert found.dtype == np.uint16
    assert np.array_equal(found[mask == 0], deep[mask == 0])
    assert (found[mask == 255] == [value * 257 for value in color("moss")]).all()


REFUSED = [
    ("no mask at all", ["inpaint", "{farm}", "x"], "INVALID_REQUEST", "--mask-layer NAME"),
    (
        "both masks",
        ["inpaint", "{farm}", "x", "--mask", "{farm}", "--mask-layer", "Here"],
        "INVALID_REQUEST",
        "either",
    ),
    (
        "an unknown layer",
        ["inpaint", "{farm}", "x", "--mask-layer", "here"],
        "INVALID_REQUEST",
        "'Here', 'Sketch'",
    ),
    ("an unknown source", ["img2img", "{farm}", "x", "--layer", "Barn"], "INVALID_REQUEST", "'Ground'"),
    ("two of a name", ["img2img", "{twins}", "x", "--layer", "twin"], "INVALID_REQUEST", "rename"),
    ("an empty layer", ["inpaint", "{twins}", "x", "--mask-layer", "clear"], "NOTHING_SELECTED", "clear"),
    (
        "a layer off the canvas",
        ["inpaint", "{twins}", "x", "--mask-layer", "away"],
        "NOTHING_SELECTED",
        "away",
    ),
    ("no openraster", ["img2img", "{text}", "x"], "INVALID_REQUEST", "save it again"),
]


@pytest.mark.parametrize(
    ("arguments", "reason", "way_out"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_what_cannot_be_done_is_refused_before_a_job_is_made(
    farm: Path, tmp_path: Path, daemon: FakeDaemon, arguments: list[str], reason: str, way_out: str
) -> None:
    pixel = np.full((4, 4, 4), 255, np.uint8)
    twins = [PaintLayer(name="twin", samples=pixel), PaintLayer(name="twin", samples=pixel)]
    clear = PaintLayer(name="clear", samples=pixel * 0)
    away = PaintLayer(name="away", samples=pixel, x=50)
    write_document(Document(8, 8, layers=(*twins, clear, away)), tmp_path / "twins.ora")
    (tmp_path / "text.ora").write_text("no archive")
    files = {name: tmp_path / f"{name}.ora" for name in ("farm", "twins", "text")}
    said = call(*(part.format(**files) for part in arguments), code=1 if "SELECTED" in reason else 2)
    assert said["error"]["reason"] == reason
    assert way_out in said["error"]["message"]
    assert "SubmitJob" not in daemon.calls


def test_what_a_file_lost_is_told_beside_the_result(tmp_path: Path) -> None:
    layer = PaintLayer(name="glow", samples=np.full((64, 64, 4), 9, np.uint8), blend="krita:strange")
    write_document(Document(64, 64, layers=(layer,)), tmp_path / "a.ora")
    answer = call("img2img", tmp_path / "a.ora", "moss", "-o", tmp_path / "b.ora")
    assert any("glow" in note and "krita:strange" in note for note in answer["notes"])
    assert read_document(tmp_path / "b.ora").layers[1].blend == "krita:strange"


def test_a_failed_job_leaves_the_old_file(farm: Path, tmp_path: Path, daemon: FakeDaemon) -> None:
    from underpaint.errors import OutOfMemory
    from underpaint.testing.fake_daemon import Script

    daemon.script = Script(error=OutOfMemory("Too large: make it smaller."))
    before = farm.read_bytes()
    said = call("inpaint", farm, "a red barn", "--mask-layer", "Here", "-o", farm, code=1)
    assert said["error"]["reason"] == "OUT_OF_MEMORY"
    assert farm.read_bytes() == before
    assert [name for name in os.listdir(tmp_path) if "farm" in name] == ["farm.ora"]  # noqa: PTH208


def test_help_teaches_layers() -> None:
    for command, words in (("inpaint", "--mask-layer"), ("img2img", "--layer")):
        shown = CliRunner().invoke(app, [command, "--help"]).output
        assert words in shown
        assert ".ora" in shown
