"""--control: which pixels go to the daemon as control images, and where they lie."""

from __future__ import annotations

import json
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
from underpaint.testing.fake_script import Script
from underpaint.testing.reference import Document, PaintLayer, write_document
from underpaint.v1 import job_service_pb2 as pb


class Seen:
    """Pixels of the control images of the last job, as they lie in the daemon."""

    def __init__(self, daemon: FakeDaemon) -> None:
        self.pixels: list[np.ndarray] = []
        self.controls: list[pb.Control] = []
        self._daemon = daemon
        daemon.script = self._look

    def _look(self, spec: pb.JobSpec) -> Script:
        self.controls = list(spec.controls)
        self.pixels = []
        for control in spec.controls:
            blob = self._daemon.blobs.sealed(control.image.blob)
            shape = blob.layout.height_px, blob.layout.width_px, 4
            self.pixels.append(np.frombuffer(blob.path.read_bytes(), np.uint8).reshape(shape).copy())
        return Script()


@pytest.fixture(autouse=True)
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    runtime = Path(tempfile.mkdtemp(prefix="up-"))
    monkeypatch.setenv("UNDERPAINT_RUNTIME_DIR", str(runtime))
    monkeypatch.setenv("UNDERPAINT_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("UNDERPAINT_CONFIG_DIR", str(tmp_path / "config"))
    with FakeDaemon(runtime) as running:
        yield Seen(running)
    shutil.rmtree(runtime)


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A drawing of 64 x 48 with a white square."""
    drawing = np.zeros((48, 64, 3), np.uint8)
    drawing[8:24, 16:32] = 255
    Pictures.fromarray(drawing).save(tmp_path / "plan.png")
    return tmp_path / "plan.png"


def call(*arguments: object, code: int = 0) -> Any:
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert done.exit_code == code, (done.output, done.exception)
    return json.loads(done.stdout)


def test_a_drawing_of_the_pictures_size_goes_in_as_it_is_with_every_key(
    plan: Path, seen: Seen, tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    keys = "strength=0.8,start=0.1,end=0.7,preprocess=canny,model=fake-control"
    answer = call("txt2img", "bricks", "--size", "64x48", "--control", f"line-art={plan},{keys}", "-o", out)
    (control,) = answer["request"]["controls"]
    assert {key: control[key] for key in ("role", "strength", "start", "end", "preprocessor", "model")} == {
        "role": "line-art",
        "strength": 0.8,
        "start": 0.1,
        "end": 0.7,
        "preprocessor": "canny",
        "model": "fake-control",
    }
    np.testing.assert_array_equal(seen.pixels[0][..., :3], np.asarray(Pictures.open(plan)))


def test_a_drawing_of_another_size_is_scaled_over_the_picture(plan: Path, seen: Seen, tmp_path: Path) -> None:
    call("txt2img", "x", "--size", "128x96", "--control", f"depth={plan}", "-o", tmp_path / "o.png")
    assert seen.pixels[0].shape == (96, 128, 4)
    assert (seen.pixels[0][20:44, 36:60, :3] > 240).all()
    assert (seen.pixels[0][60:, :, :3] == 0).all()


def test_a_fill_gets_the_part_of_the_drawing_that_lies_over_its_context(seen: Seen, tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.arange(200, dtype=np.uint8)[None, :, None], (150, 200, 3))
    Pictures.fromarray(np.ascontiguousarray(ramp)).save(tmp_path / "ramp.png")
    Pictures.fromarray(np.full((150, 200, 3), 90, np.uint8)).save(tmp_path / "wall.png")
    hole = np.zeros((150, 200), np.uint8)
    hole[100:110, 150:160] = 255
    Pictures.fromarray(hole).save(tmp_path / "hole.png")
    out = tmp_path / "o.png"
    options = ("--mask", tmp_path / "hole.png", "--control", f"depth={tmp_path / 'ramp.png'}", "-o", out)
    call("inpaint", tmp_path / "wall.png", "moss", *options)
    (control,) = seen.controls
    height, width = seen.pixels[0].shape[:2]
    assert control.image.x_px > 100 and width < 100 and height < 100
    row = np.arange(control.image.x_px, control.image.x_px + width)
    np.testing.assert_array_equal(seen.pixels[0][0, :, 0], row)


def test_one_layer_of_a_document_can_be_the_drawing(seen: Seen, tmp_path: Path) -> None:
    sketch = PaintLayer(name="Sketch", samples=np.full((20, 30, 4), 255, np.uint8), x=10, y=5, visible=False)
    ground = PaintLayer(name="Ground", samples=np.full((48, 64, 4), 77, np.uint8))
    write_document(Document(64, 48, layers=(sketch, ground)), tmp_path / "plan.ora")
    option = f"line-art={tmp_path / 'plan.ora'},layer=Sketch"
    call("txt2img", "x", "--size", "64x48", "--control", option, "-o", tmp_path / "o.png")
    alpha = np.zeros((48, 64), np.uint8)
    alpha[5:25, 10:40] = 255
    np.testing.assert_array_equal(seen.pixels[0][..., 3], alpha)


def test_several_controls_keep_their_order_and_a_shared_file_is_sent_once(
    plan: Path, seen: Seen, tmp_path: Path
) -> None:
    two = ("--control", f"depth={plan},end=0.5", "--control", f"line-art={plan}")
    call("txt2img", "x", "--size", "64x48", *two, "-o", tmp_path / "o.png")
    assert [control.role for control in seen.controls] == ["depth", "line-art"]
    assert seen.controls[0].image == seen.controls[1].image


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("line-art", "takes ROLE=FILE"),
        ("=plan.png", "takes ROLE=FILE"),
        ("line-art=", "takes ROLE=FILE"),
        ("line-art=PLAN,strenght=1", "'strenght=1' is none of its keys: strength, start"),
        ("line-art=PLAN,end=late", "end takes a number, not 'late'"),
        ("line-art=PLAN,layer=Sketch", "There is no layer 'Sketch'"),
        ("line-art=PLAN,end=1.5", "must be above start"),
        ("line-art=absent.png", "absent.png does not exist"),
        ("pose=PLAN", "is none of: depth, line-art"),
    ],
)
def test_what_is_wrong_with_a_control_is_said(plan: Path, option: str, said: str, tmp_path: Path) -> None:
    given = option.replace("PLAN", str(plan))
    answer = call("txt2img", "x", "--control", given, "-o", tmp_path / "o.png", code=2)
    assert said in answer["error"]["message"]


def test_the_lists_show_roles_and_control_models() -> None:
    (model,) = call("models", "list")["models"]
    assert model["controls"] == [
        {"role": "depth", "models": ["fake-control"]},
        {"role": "line-art", "models": ["fake-control"]},
    ]
    (control,) = call("models", "controls")
    assert (control["name"], control["roles"]) == ("fake-control", ["line-art", "depth"])
    table = CliRunner().invoke(app, ["models", "list"]).stdout
    assert "depth, line-art" in table
