"""--region and --region-layer: which masks go to the daemon, in which order, and what is refused."""

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
    """The masks of the last job's regions by prompt, as they lie in the daemon."""

    def __init__(self, daemon: FakeDaemon) -> None:
        self.masks: dict[str, np.ndarray] = {}
        self._daemon = daemon
        daemon.script = self._look

    def _look(self, spec: pb.JobSpec) -> Script:
        for region in spec.regions:
            blob = self._daemon.blobs.sealed(region.mask.blob)
            shape = blob.layout.height_px, blob.layout.width_px
            self.masks[region.prompt] = np.frombuffer(blob.path.read_bytes(), np.uint8).reshape(shape).copy()
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
def left(tmp_path: Path) -> Path:
    """64 x 48, its left half white."""
    mask = np.zeros((48, 64), np.uint8)
    mask[:, :32] = 255
    Pictures.fromarray(mask).save(tmp_path / "left.png")
    return tmp_path / "left.png"


def call(*arguments: object, code: int = 0) -> Any:
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert done.exit_code == code, (done.output, done.exception)
    return json.loads(done.stdout)


def test_white_is_the_region_and_a_prompt_may_hold_commas_and_equals_signs(
    left: Path, seen: Seen, tmp_path: Path
) -> None:
    prompt = "moss, 1=1, (wet:1.2)"
    options = ("--region", f"{prompt}={left},strength=0.5", "--region", f"sky={left}")
    answer = call("txt2img", "sand", "--size", "64x48", *options, "-o", tmp_path / "o.png")
    assert [(one["prompt"], one["strength"]) for one in answer["request"]["regions"]] == [
        (prompt, 0.5),
        ("sky", 1.0),
    ]
    np.testing.assert_array_equal(seen.masks[prompt], np.asarray(Pictures.open(left)))


def test_what_to_avoid_may_hold_commas_and_stand_on_either_side_of_the_strength(
    left: Path, seen: Seen, tmp_path: Path
) -> None:
    options = ("--region", f"moss, strength=2, wet={left}, negative=dry, a=b,strength=0.5")
    options += ("--region", f"sky={left},strength=1,negative=clouds", "--region", f"sand={left}")
    answer = call("txt2img", "sand", "--size", "64x48", *options, "-o", tmp_path / "o.png")
    found = [(one["prompt"], one["negative_prompt"], one["strength"]) for one in answer["request"]["regions"]]
    assert found == [("moss, strength=2, wet", "dry, a=b", 0.5), ("sky", "clouds", 1.0), ("sand", "", 1.0)]


def test_a_part_can_keep_to_drawings_of_its_own(left: Path, seen: Seen, tmp_path: Path) -> None:
    drawing = f"line-art={left}"
    options = (
        "--region",
        f"moss={left},control={drawing},negative=dry, control={drawing}",
        "--region",
        f"sky={left}",
    )
    answer = call("txt2img", "sand", "--size", "64x48", *options, "-o", tmp_path / "o.png")
    # The daemon has made them the picture's own, each with the mask of its region.
    assert [(one["role"], "mask" in one) for one in answer["request"]["controls"]] == [("line-art", True)] * 2
    assert [one["negative_prompt"] for one in answer["request"]["regions"]] == ["dry", ""]


def test_a_mask_of_another_size_is_scaled_over_the_picture(left: Path, seen: Seen, tmp_path: Path) -> None:
    call("txt2img", "sand", "--size", "128x96", "--region", f"moss={left}", "-o", tmp_path / "o.png")
    mask = seen.masks["moss"]
    assert mask.shape == (96, 128)
    assert (mask[:, :62] == 255).all() and (mask[:, 66:] == 0).all()


def test_layers_are_regions_over_those_of_files_and_are_no_part_of_the_picture(
    left: Path, seen: Seen, tmp_path: Path
) -> None:
    patch = np.full((20, 30, 4), (200, 0, 0, 255), np.uint8)
    layers = (
        PaintLayer(name="Here", samples=patch, x=10, y=5),
        PaintLayer(name="Ground", samples=np.full((48, 64, 4), 77, np.uint8)),
    )
    source, out = tmp_path / "plan.ora", tmp_path / "out.ora"
    write_document(Document(64, 48, layers=layers), source)
    options = ("--region-layer", "moss=Here", "--region", f"sky={left}", "-o", out)
    answer = call("img2img", source, "sand", *options)
    assert [one["prompt"] for one in answer["request"]["regions"]] == ["sky", "moss"]
    expected = np.zeros((48, 64), np.uint8)
    expected[5:25, 10:40] = 255
    np.testing.assert_array_equal(seen.masks["moss"], expected)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--region", "moss"), "--region takes PROMPT=FILE"),
        (("--region", "moss="), "--region takes PROMPT=FILE"),
        (("--region", "moss=LEFT,strength=much"), "takes a number for strength: 'moss="),
        (("--region", "moss=LEFT,strength=2"), "must be 0 to 1"),
        (("--region", "moss=absent.png"), "absent.png does not exist"),
        (("--region-layer", "moss=Absent"), "There is no layer 'Absent'"),
        (("--region", "moss=LEFT,control=line-art"), "--control takes ROLE=FILE"),
    ],
)
def test_what_is_wrong_with_a_region_is_said(
    left: Path, options: tuple[str, str], said: str, tmp_path: Path
) -> None:
    option, value = options
    given = (option, value.replace("LEFT", str(left)))
    answer = call("img2img", left, "sand", *given, "-o", tmp_path / "o.png", code=2)
    assert said in answer["error"]["message"]
