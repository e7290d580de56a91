"""Who gets the device when: the loop on a family that computes nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.engine.fake_family import FakeFamily
from tests.unit.engine.worker_process import Outcome, collect, wait_until
from underpaint.engine.loop import DeviceLoop
from underpaint.engine.registry import Families
from underpaint.engine.residency import Shelf
from underpaint.engine.running import AGEING_S, RunningJob
from underpaint.errors import InternalError, InvalidRequest, ModelUnusable, OutOfMemory
from underpaint.v1 import job_service_pb2
from underpaint.worker_v1 import worker_service_pb2 as pb

ENGINE = "tests.unit.engine.fake_family:FakeFamily"
LIVE, INTERACTIVE, BATCH = (
    job_service_pb2.PRIORITY_LIVE,
    job_service_pb2.PRIORITY_INTERACTIVE,
    job_service_pb2.PRIORITY_BATCH,
)


class Desk:
    """Submits jobs and collects what they say."""

    def __init__(self, folder: Path) -> None:
        self.loop = DeviceLoop(Families(Shelf(), "cpu", "float32"))
        self.folder = folder
        self.events: dict[str, list[pb.RunJobResponse]] = {}
        self.done: dict[str, threading.Event] = {}

    def submit(
        self,
        name: str,
        prompt: str = "",
        *,
        steps: int = 3,
        bucket: str = "a",
        priority: int = INTERACTIVE,
        **fields: object,
    ) -> None:
        events: list[pb.RunJobResponse] = []
        done = threading.Event()
        self.events[name], self.done[name] = events, done

        def sink(event: pb.RunJobResponse) -> None:
            events.append(event)
            if event.WhichOneof("event") in ("finished", "failed", "cancelled"):
                done.set()

        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        source = {"name": "fake", "engine": ENGINE, **fields}
        self.loop.submit(
            pb.RunJobRequest(
                job=name,
                spec=job_service_pb2.JobSpec(prompt=prompt, steps=steps, scheduler=bucket),
                model=pb.ModelSource(**source),
                output_folder=str(folder),
                priority=priority,
                previews=True,
            ),
            sink,
        )

    def prepared(self, count: int) -> None:
        """Waits until so many jobs stand before a device that is held."""
        wait_until(lambda: self.loop._inbox.qsize() >= count, 60)

    def outcome(self, name: str) -> Outcome:
        assert self.done[name].wait(60), self.events[name]
        return collect(iter(self.events[name]), self.folder / name)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    FakeFamily.steps_taken.clear()
    FakeFamily.release.clear()
    FakeFamily.holding.clear()
    one = Desk(tmp_path)
    one.loop.start()
    yield one
    FakeFamily.release.set()
    assert one.loop.stop(60)


def hold(desk: Desk) -> None:
    """Keeps the device busy until `FakeFamily.release` is set."""
    desk.submit("holder", "hold", steps=1, bucket="hold", priority=LIVE)
    assert FakeFamily.holding.wait(60)


def test_jobs_of_one_bucket_share_steps_up_to_the_limit(desk: Desk) -> None:
    hold(desk)
    names = [f"j{index}" for index in range(4)]
    for name in names:
        desk.submit(name)
    desk.submit("other", bucket="b")
    desk.prepared(5)
    FakeFamily.release.set()
    for name in [*names, "other"]:
        assert desk.outcome(name).finished is not None
    groups = [set(group) for group in FakeFamily.steps_taken[1:]]
    assert max(len(group) for group in groups) == 3
    assert all("other" not in group or group == {"other"} for group in groups)
    assert len(groups) < 5 * 3


def test_a_preview_that_fails_costs_nothing_but_previews(desk: Desk) -> None:
    desk.submit("blind", "blind", steps=3)
    assert desk.outcome("blind").finished is not None
    assert not any(event.HasField("preview") for event in desk.events["blind"])
    desk.submit("next")
    assert desk.outcome("next").finished is not None


def test_the_device_works_for_others_while_a_job_has_something_done_beside_it(desk: Desk) -> None:
    desk.submit("slow", "aside", steps=2)
    assert FakeFamily.holding.wait(60)
    desk.submit("quick")
    assert desk.outcome("quick").finished is not None
    FakeFamily.release.set()
    finished = desk.outcome("slow").finished
    assert finished is not None and list(finished.notes) == ["anew"]
    plans = [event.planned for event in desk.events["slow"] if event.HasField("planned")]
    assert [plan.stages[0].steps for plan in plans] == [2, 2]
    assert FakeFamily.steps_taken.count(("slow",)) == 3, "one before and two after"


def test_a_job_that_is_cancelled_meanwhile_ends_at_once(desk: Desk) -> None:
    desk.submit("gone", "aside")
    assert FakeFamily.holding.wait(60)
    assert desk.loop.cancel("gone")
    cancelled = desk.outcome("gone").cancelled
    assert cancelled is not None and cancelled.denoiser_calls_after == 0
    FakeFamily.release.set()
    desk.submit("next")
    assert desk.outcome("next").finished is not None


def test_what_fails_beside_the_device_is_the_jobs_own_failure(desk: Desk) -> None:
    FakeFamily.release.set()
    desk.submit("faulty", "aside, broken")
    error = desk.outcome("faulty").error
    assert isinstance(error, InvalidRequest) and "Not after all." in str(error)


def test_a_live_job_runs_alone_until_it_is_done(desk: Desk) -> None:
    hold(desk)
    desk.submit("slow", steps=50, priority=BATCH)
    desk.submit("live", steps=4, priority=LIVE)
    desk.prepared(2)
    FakeFamily.release.set()
    desk.outcome("slow")
    assert FakeFamily.steps_taken[1:5] == [("live",)] * 4


def test_interactive_goes_before_batch_and_shares_its_bucket(desk: Desk) -> None:
    hold(desk)
    desk.submit("batch", priority=BATCH, bucket="b")
    desk.submit("mate", priority=BATCH, bucket="a")
    desk.submit("person", priority=INTERACTIVE, bucket="a")
    desk.prepared(3)
    FakeFamily.release.set()
    for name in ("batch", "mate", "person"):
        desk.outcome(name)
    assert [set(group) for group in FakeFamily.steps_taken[1:4]] == [{"person", "mate"}] * 3


def test_batch_rises_with_waiting_but_never_to_live() -> None:
    request = pb.RunJobRequest(job="j", priority=BATCH)
    job = RunningJob(request, lambda event: None)
    now = job.last_time
    assert [job.rank(now), job.rank(now + AGEING_S + 1)] == [2, 1]
    assert RunningJob(pb.RunJobRequest(priority=LIVE), lambda event: None).rank(now) == 0
    assert RunningJob(pb.RunJobRequest(), lambda event: None).rank(now) == 1


@pytest.mark.parametrize(
    ("prompt", "kind"), [("break", ModelUnusable), ("crash", InternalError), ("memory", OutOfMemory)]
)
def test_one_bad_job_does_not_take_its_batch_with_it(desk: Desk, prompt: str, kind: type[Exception]) -> None:
    hold(desk)
    desk.submit("good")
    desk.submit("bad", prompt)
    desk.submit("fine")
    desk.prepared(3)
    FakeFamily.release.set()
    error = desk.outcome("bad").error
    assert type(error) is kind
    assert len(str(error)) > 20 or kind is ModelUnusable
    for name in ("good", "fine"):
        assert desk.outcome(name).finished is not None


def test_a_refused_job_says_why_and_leaves_nothing(desk: Desk) -> None:
    desk.submit("no", "refuse")
    assert isinstance(desk.outcome("no").error, InvalidRequest)
    desk.submit("broken", path="unusable")
    assert isinstance(desk.outcome("broken").error, ModelUnusable)
    desk.submit("nowhere", engine="no.such:Engine")
    assert isinstance(desk.outcome("nowhere").error, ModelUnusable)
    assert not desk.loop.cancel("no")


def test_cancelling_in_mid_step_counts_that_step_and_no_more(desk: Desk) -> None:
    hold(desk)
    assert desk.loop.cancel("holder")
    FakeFamily.release.set()
    cancelled = desk.outcome("holder").cancelled
    assert cancelled is not None and cancelled.denoiser_calls_after == 1


def test_cancelling_while_waiting_costs_nothing(desk: Desk) -> None:
    hold(desk)
    desk.submit("waiting")
    desk.prepared(1)
    assert desk.loop.cancel("waiting") and desk.loop.cancel("waiting")
    FakeFamily.release.set()
    cancelled = desk.outcome("waiting").cancelled
    assert cancelled is not None and cancelled.denoiser_calls_after == 0
    assert not any("waiting" in group for group in FakeFamily.steps_taken)
    assert list((desk.folder / "waiting").iterdir()) == []


def test_the_same_name_twice_is_refused(desk: Desk) -> None:
    hold(desk)
    with pytest.raises(InvalidRequest, match="already"):
        desk.submit("holder")
    FakeFamily.release.set()


def test_commands_run_between_steps_and_give_their_errors_back(desk: Desk) -> None:
    assert desk.loop.call(lambda: threading.current_thread().name).result(60) == "device"

    def fail() -> None:
        raise ModelUnusable("no")

    with pytest.raises(ModelUnusable):
        desk.loop.call(fail).result(60)


def test_events_end_with_the_result_and_its_place(desk: Desk) -> None:
    desk.submit("one", steps=2)
    outcome = desk.outcome("one")
    assert outcome.finished is not None
    assert outcome.steps == [(0, 1), (0, 2), (1, 1)]
    output = outcome.finished.outputs[0]
    assert (output.x_px, output.y_px, output.layout.width_px, output.layout.height_px) == (5, 6, 3, 2)
    assert (desk.folder / "one" / output.file).stat().st_size == 24
    assert dict(outcome.finished.model_sha256) == {"unet/x.safetensors": "00"}


def test_stopping_ends_every_job_as_cancelled(tmp_path: Path) -> None:
    FakeFamily.release.set()
    desk = Desk(tmp_path)
    desk.loop.start()
    desk.submit("long", steps=10**6)
    wait_until(lambda: bool(desk.events["long"]), 60)
    assert desk.loop.stop(60)
    assert desk.outcome("long").cancelled is not None
