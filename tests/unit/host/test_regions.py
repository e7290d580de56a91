"""Layers and selections as regions of a verb, and what a picture covers."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.recording import RecordingHost
from underpaint.client import connect
from underpaint.errors import PlaceGone
from underpaint.host import AttachedControl, AttachedRegion, Session, Settings, Task, TaskState
from underpaint.host.coverage import coverage_of
from underpaint.host.extensions import Extensions
from underpaint.host.regions import covering
from underpaint.testing.fake_daemon import FakeDaemon
from underpaint.testing.fake_script import Script
from underpaint.testing.reference import Document, PaintLayer, Selection
from underpaint.testing.reference.samples import view_of
from underpaint.types import (
    MASK_FORMAT,
    Alpha,
    Bounds,
    Channels,
    ColorSpace,
    DataType,
    Image,
    Lora,
    PixelFormat,
    Region,
    RowOrder,
)
from underpaint.v1 import job_service_pb2

HOLE = Bounds(210, 135, 13, 9)
PATCH = Bounds(180, 120, 60, 30)


class Seen:
    """Specifications that reached the daemon, and the masks of their regions."""

    def __init__(self, daemon: FakeDaemon) -> None:
        self.specs: list[job_service_pb2.JobSpec] = []
        self.masks: list[np.ndarray] = []
        self._daemon = daemon
        daemon.script = self._look

    def _look(self, spec: job_service_pb2.JobSpec) -> Script:
        self.specs.append(spec)
        for region in spec.regions:
            blob = self._daemon.blobs.sealed(region.mask.blob)
            shape = blob.layout.height_px, blob.layout.width_px
            self.masks.append(np.frombuffer(blob.path.read_bytes(), np.uint8).reshape(shape).copy())
        return Script()


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDaemon]:
    runtime = Path(tempfile.mkdtemp(prefix="up-"))
    monkeypatch.setenv("UNDERPAINT_RUNTIME_DIR", str(runtime))
    for kind in ("STATE", "CONFIG"):
        monkeypatch.setenv(f"UNDERPAINT_{kind}_DIR", str(tmp_path / kind.lower()))
    with FakeDaemon(runtime) as running:
        yield running
    shutil.rmtree(runtime)


@pytest.fixture
def seen(daemon: FakeDaemon) -> Seen:
    return Seen(daemon)


@pytest.fixture
def host() -> RecordingHost:
    """A plain ground of 300 x 200 under a hidden patch of half coverage, with a small selection."""
    host = RecordingHost()
    patch = np.full((PATCH.height, PATCH.width, 4), (9, 200, 30, 128), np.uint8)
    layers = (
        PaintLayer(name="Patch", samples=patch, x=PATCH.x, y=PATCH.y, visible=False),
        PaintLayer(name="Ground", samples=np.full((200, 300, 4), 255, np.uint8)),
    )
    document = host.open(Document(300, 200, layers=layers))
    document.select(Selection(HOLE.x, HOLE.y, np.full((HOLE.height, HOLE.width), 255, np.uint8)))
    return host


@pytest.fixture
def session(host: RecordingHost, daemon: FakeDaemon) -> Iterator[Session]:
    session = Session(host, lambda: connect(start=False))
    yield session
    session.close()


def finish(host: RecordingHost, task: Task) -> Task:
    host.queue.pump_until(lambda: task.done, timeout=30)
    return task


def layer_of(host: RecordingHost, prompt: str = "moss", **fields: Any) -> AttachedRegion:
    source = Extensions(()).control_sources["layer"]
    assert source.choices is not None
    titles = source.choices(host, host.active_document.document_id)
    (choice,) = (key for key, title in titles.items() if title == "Patch")
    return AttachedRegion(source=source, prompt=prompt, choice=choice, **fields)


def test_what_a_layer_covers_is_a_region_whatever_its_colour(
    host: RecordingHost, session: Session, seen: Seen
) -> None:
    own = {"negative_prompt": "dry", "loras": (Lora("ink", 0.5),)}
    settings = Settings(regions=(layer_of(host, strength=0.5, **own),))
    assert finish(host, session.generate("sand", settings)).state is TaskState.PLACED
    (region,) = seen.specs[0].regions
    assert region.negative_prompt == "dry"
    assert [(one.name, one.strength) for one in region.loras] == [("ink", 0.5)]
    assert (region.prompt, region.strength) == ("moss", 0.5)
    expected = np.zeros((200, 300), np.uint8)
    expected[PATCH.y : PATCH.bottom, PATCH.x : PATCH.right] = 128
    found = seen.masks[0]
    np.testing.assert_array_equal(found, expected[: found.shape[0], : found.shape[1]])


def test_a_fill_reads_regions_where_it_looks(host: RecordingHost, session: Session, seen: Seen) -> None:
    settings = Settings(regions=(layer_of(host),))
    assert finish(host, session.fill("sand", settings)).state is TaskState.PLACED
    (spec,) = seen.specs
    place, context = spec.regions[0].mask, spec.inpaint.image
    assert (place.x_px, place.y_px) == (context.x_px, context.y_px)
    covered = seen.masks[0][HOLE.y - place.y_px, HOLE.x - place.x_px]
    assert covered == 128


def test_a_selection_can_be_a_region_and_a_region_can_have_controls(
    host: RecordingHost, session: Session, seen: Seen
) -> None:
    sources = Extensions(()).control_sources
    drawing = AttachedControl(source=sources["merged"], role="depth")
    region = AttachedRegion(source=sources["selection"], prompt="moss", controls=(drawing,))
    task = session.generate("sand", Settings(regions=(region,)), from_picture=True)
    assert finish(host, task).state is TaskState.PLACED, task.error
    (sent,) = seen.specs[0].regions
    assert [control.role for control in sent.controls] == ["depth"]
    assert (seen.masks[0] > 0).sum() == HOLE.width * HOLE.height


def test_a_picture_is_enlarged_with_its_regions(host: RecordingHost, session: Session, seen: Seen) -> None:
    task = session.upscale("sand", Settings(regions=(layer_of(host, negative_prompt="reeds"),)))
    assert finish(host, task).error is None
    (region,) = seen.specs[0].regions
    assert (region.prompt, region.negative_prompt) == ("moss", "reeds")
    assert seen.masks[0].shape == (200, 300) and seen.masks[0][PATCH.y, PATCH.x] == 128


def test_a_layer_that_is_gone_fails_the_task_before_anything_is_sent(
    host: RecordingHost, session: Session, seen: Seen
) -> None:
    lost = AttachedRegion(
        source=Extensions(()).control_sources["layer"], prompt="moss", choice="no-such-layer"
    )
    task = finish(host, session.generate("sand", Settings(regions=(lost,))))
    assert isinstance(task.error, PlaceGone) and seen.specs == []


@pytest.mark.parametrize("data_type", list(DataType))
@pytest.mark.parametrize("channels", [Channels.RGBA, Channels.BGRA, Channels.GRAY_ALPHA])
@pytest.mark.parametrize("gap", [0, 5])
def test_coverage_is_alpha_in_every_layout(data_type: DataType, channels: Channels, gap: int) -> None:
    format = PixelFormat(channels, data_type, Alpha.STRAIGHT, ColorSpace.SRGB, RowOrder.BOTTOM_UP)
    stride = 7 * format.bytes_per_pixel + gap * data_type.size
    data = np.random.default_rng(1).integers(0, 256, stride * 4).astype(np.uint8).tobytes()
    image = Image(7, 4, data, format, x=3, y=-2, stride=stride if gap else 0)
    mask = coverage_of(image)
    assert (mask.bounds, mask.format.row_order) == (image.bounds, RowOrder.BOTTOM_UP)
    assert view_of(mask)[..., 0].tobytes() == np.ascontiguousarray(view_of(image)[..., -1]).tobytes()


def test_a_mask_is_its_own_coverage_and_a_picture_without_alpha_covers_all() -> None:
    mask = Image(3, 2, bytes(range(6)), MASK_FORMAT)
    assert coverage_of(mask) is mask
    opaque = Image(3, 2, bytes(18), PixelFormat(Channels.RGB, alpha=Alpha.NONE))
    assert bytes(coverage_of(opaque).data) == b"\xff" * 6


def test_regions_are_cut_to_what_the_model_paints() -> None:
    mask = Image(4, 3, bytes(range(12)), MASK_FORMAT, x=10, y=20)
    (region,) = covering([Region(mask=mask, prompt="a")], Bounds(11, 21, 2, 2))
    assert (region.mask.bounds, bytes(region.mask.data)) == (Bounds(11, 21, 2, 2), bytes([5, 6, 9, 10]))
