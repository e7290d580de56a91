"""Preprocessing as a job of the worker's loop: no model, no device, stages, cancellation; and screening."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.unit.engine import plugin_functions
from tests.unit.engine.fake_family import FakeFamily
from tests.unit.engine.worker_process import Outcome, collect
from underpaint.engine.loop import DeviceLoop
from underpaint.engine.registry import Families
from underpaint.engine.residency import Shelf
from underpaint.errors import ContentRefused, InvalidRequest, PluginFailed
from underpaint.types import MASK_FORMAT, Alpha, Channels, DataType, PixelFormat
from underpaint.v1 import job_service_pb2
from underpaint.v1.image_pb2 import ImageRef
from underpaint.wire.images import format_to_layout, layout_for
from underpaint.worker_v1 import worker_service_pb2 as pb

HERE = "tests.unit.engine.plugin_functions"
RGB = PixelFormat(Channels.RGB, DataType.U8, Alpha.NONE)
PICTURE = np.random.default_rng(3).integers(0, 256, (5, 7, 4), np.uint8)


class Desk:
    """A loop without a model, and the events of its jobs."""

    def __init__(self, folder: Path) -> None:
        self.loop = DeviceLoop(Families(Shelf(), "cpu", "float32"))
        self.folder = folder
        self.events: list[pb.RunJobResponse] = []
        self.done = threading.Event()

    def submit(self, function: str, format: PixelFormat = RGB, **more: object) -> None:
        pixels = self.folder / "image.px"
        pixels.write_bytes(PICTURE.tobytes())
        output = self.folder / "out"
        output.mkdir(exist_ok=True)
        spec = job_service_pb2.JobSpec(output_layout=format_to_layout(format))
        image = ImageRef(blob="blobs/a", x_px=-3, y_px=11)
        spec.preprocess.CopyFrom(
            job_service_pb2.Preprocess(image=image, preprocessor=function, parameters={"top": 1.0})
        )
        request = pb.RunJobRequest(
            job="jobs/a",
            spec=spec,
            inputs=[pb.InputBlob(name="blobs/a", path=str(pixels), layout=layout_for(PixelFormat(), 7, 5))],
            output_folder=str(output),
            preprocessor=pb.PluginFunction(name=function, engine=f"{HERE}:{function}"),
            **more,
        )
        self.loop.submit(request, self._sink)

    def _sink(self, event: pb.RunJobResponse) -> None:
        self.events.append(event)
        if event.WhichOneof("event") in ("finished", "failed", "cancelled"):
            self.done.set()

    def outcome(self) -> Outcome:
        assert self.done.wait(60), self.events
        return collect(iter(self.events), self.folder / "out")

    @property
    def left(self) -> list[str]:
        return [path.name for path in (self.folder / "out").iterdir()]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    plugin_functions.entered.clear()
    plugin_functions.go_on.clear()
    one = Desk(tmp_path)
    one.loop.start()
    yield one
    plugin_functions.go_on.set()
    assert one.loop.stop(60)


def test_a_picture_is_made_without_a_model_in_its_place_and_layout(desk: Desk) -> None:
    desk.submit("invert")
    outcome = desk.outcome()
    assert outcome.finished is not None, outcome.error
    assert [stage.kind for stage in outcome.planned] == [job_service_pb2.STAGE_KIND_PREPROCESSING]
    assert outcome.steps == [(0, 1)]
    output = outcome.finished.outputs[0]
    assert (output.x_px, output.y_px) == (-3, 11)
    opaque = PICTURE[..., 3] == 255
    made = outcome.picture()
    assert made.shape == (5, 7, 3)
    assert np.array_equal(made[opaque], 255 - PICTURE[..., :3][opaque])
    assert dict(outcome.finished.model_sha256) == {}


def test_one_channel_fits_a_mask_and_any_other_layout(desk: Desk) -> None:
    desk.submit("not_a_number", MASK_FORMAT)
    outcome = desk.outcome()
    assert outcome.finished is not None, outcome.error
    assert outcome.picture().tolist() == np.zeros((5, 7, 1)).tolist()


@pytest.mark.parametrize("function", ["stumbles", "too_small", "not_there"])
def test_a_plugin_that_goes_wrong_is_named_and_leaves_nothing(desk: Desk, function: str) -> None:
    desk.submit(function)
    error = desk.outcome().error
    assert isinstance(error, PluginFailed)
    assert error.metadata == {"plugin": function}
    assert "UNDERPAINT_PLUGINS_BLOCK" in error.message
    assert desk.left == []


def test_cancelling_ends_it_at_its_next_check_and_leaves_nothing(desk: Desk) -> None:
    desk.submit("slow")
    assert plugin_functions.entered.wait(60)
    assert desk.loop.cancel("jobs/a")
    plugin_functions.go_on.set()
    outcome = desk.outcome()
    assert outcome.cancelled is not None and outcome.cancelled.denoiser_calls_after == 0
    assert desk.left == []


def test_the_device_goes_on_while_a_picture_is_preprocessed(desk: Desk) -> None:
    FakeFamily.release.set()
    desk.submit("slow")
    assert plugin_functions.entered.wait(60)
    done = threading.Event()

    def sink(event: pb.RunJobResponse) -> None:
        if event.HasField("finished"):
            done.set()

    (desk.folder / "other").mkdir()
    desk.loop.submit(
        pb.RunJobRequest(
            job="jobs/b",
            spec=job_service_pb2.JobSpec(steps=3),
            model=pb.ModelSource(name="fake", engine="tests.unit.engine.fake_family:FakeFamily"),
            output_folder=str(desk.folder / "other"),
        ),
        sink,
    )
    assert done.wait(60)
    assert not desk.done.is_set()
    plugin_functions.go_on.set()
    assert desk.outcome().finished is not None


@pytest.mark.parametrize(("most", "kind"), [(-1.0, ContentRefused), (1.0, None), ("much", PluginFailed)])
def test_a_filter_refuses_a_picture_with_its_reason_and_keeps_none(
    desk: Desk, most: object, kind: type[Exception] | None
) -> None:
    check = pb.PluginFunction(
        name="no-blue", engine=f"{HERE}:no_blue", options_json=json.dumps({"most": most})
    )
    desk.submit("invert", picture_checks=[check])
    outcome = desk.outcome()
    if kind is None:
        assert outcome.finished is not None
        return
    assert type(outcome.error) is kind
    assert desk.left == []
    if kind is ContentRefused:
        assert "too blue" in str(outcome.error)


def test_an_unknown_input_is_refused(desk: Desk) -> None:
    desk.submit("invert")
    assert desk.outcome().finished is not None
    spec = job_service_pb2.JobSpec(output_layout=format_to_layout(RGB))
    spec.preprocess.image.blob, spec.preprocess.preprocessor = "blobs/gone", "invert"
    function = pb.PluginFunction(name="invert", engine=f"{HERE}:invert")
    desk.done.clear()
    desk.events.clear()
    request = pb.RunJobRequest(
        job="jobs/c", spec=spec, preprocessor=function, output_folder=str(desk.folder / "out")
    )
    desk.loop.submit(request, desk._sink)
    error = desk.outcome().error
    assert isinstance(error, InvalidRequest)
    assert error.violations[0].field == "spec.preprocess.image"
