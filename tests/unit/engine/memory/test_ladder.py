"""Too little memory: what is tried, what the user is told, and that the picture is the same if it can be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.unit.engine.fake_family import FakeFamily
from tests.unit.engine.memory.machine import Machine
from tests.unit.engine.test_loop import hold
from tests.unit.engine.worker_process import Outcome
from underpaint.engine.memory.estimates import Estimates, Need
from underpaint.engine.memory.ladder import ONE_BY_ONE
from underpaint.engine.memory.simulated import SimulatedDevice
from underpaint.errors import OutOfMemory

ROOMY = 1 << 30


class Blind(Estimates):
    """Knows nothing: what does not fit is found out by running into it."""

    def bytes(self, need: Need) -> int:
        return 0


def paint(
    folder: Path, model: Path, total: int, estimates: Estimates | None = None
) -> tuple[Outcome, Machine]:
    """One job on a device of so many bytes."""
    folder.mkdir()
    machine = Machine(folder, device=SimulatedDevice(total), estimates=estimates)
    machine.paint("job", model)
    outcome = machine.outcome("job")
    assert machine.loop.stop(60)
    return outcome, machine


@pytest.fixture(scope="module")
def roomy(tmp_path_factory: pytest.TempPathFactory, models: Path) -> tuple[Outcome, dict[str, int], int]:
    """The picture of a device that has room for all; the components' bytes, and the most that was used."""
    outcome, machine = paint(tmp_path_factory.mktemp("roomy") / "it", models / "plain", ROOMY)
    assert outcome.finished is not None and not outcome.finished.notes
    sizes = {held.name.rpartition("/")[2]: held.size for held in machine.broker.held}
    return outcome, sizes, max(machine.peaks)


def test_a_device_that_holds_one_network_at_a_time_makes_the_same_picture(
    tmp_path: Path, models: Path, roomy: tuple[Outcome, dict[str, int], int]
) -> None:
    reference, sizes, peak = roomy
    outcome, machine = paint(tmp_path / "it", models / "plain", peak - sizes["text_encoder"] - sizes["vae"])
    assert outcome.finished is not None, outcome.error
    assert np.array_equal(outcome.picture(), reference.picture())
    told = " ".join(outcome.finished.notes)
    assert "plain/text_encoder left it between its uses" in told and "plain/unet left it" in told
    assert "layer by layer" not in told
    assert [way for way, _ in machine.broker.device.history].count("in") == 3


def test_a_device_too_small_for_the_denoiser_streams_it_and_makes_the_same_picture(
    tmp_path: Path, models: Path, roomy: tuple[Outcome, dict[str, int], int]
) -> None:
    reference, sizes, peak = roomy
    computing = peak - sum(sizes.values())
    outcome, machine = paint(tmp_path / "it", models / "plain", sizes["unet"] // 2 + computing)
    assert outcome.finished is not None, outcome.error
    assert np.array_equal(outcome.picture(), reference.picture())
    assert any("plain/unet does not fit" in note for note in outcome.finished.notes)
    assert ("stream", sizes["unet"]) in machine.broker.device.history


@pytest.mark.parametrize(
    ("computing", "told"),
    [
        # Decoding fails beside the denoiser, which is put out for it.
        (330_000, "plain/unet left it between its uses"),
        # The denoiser fits, and what it computes with does not.
        (60_000, "plain/unet does not fit"),
    ],
)
def test_without_an_estimate_a_step_fails_is_taken_again_and_the_picture_is_the_same(
    tmp_path: Path, models: Path, roomy: tuple[Outcome, dict[str, int], int], computing: int, told: str
) -> None:
    reference, sizes, _ = roomy
    outcome, machine = paint(tmp_path / "it", models / "plain", sizes["unet"] + computing, Blind())
    assert outcome.finished is not None, outcome.error
    assert np.array_equal(outcome.picture(), reference.picture())
    assert any(told in note for note in outcome.finished.notes)
    # A step that failed was not counted.
    assert [step for stage, step in outcome.steps if stage == 2] == [1, 2, 3, 4]
    assert machine.failures >= 2


def test_where_nothing_helps_the_error_says_what_is_needed_and_what_there_is(
    tmp_path: Path, models: Path
) -> None:
    outcome, _ = paint(tmp_path / "it", models / "plain", 60_000)
    error = outcome.error
    assert isinstance(error, OutOfMemory)
    needed, available = (int(error.metadata[key]) for key in ("needed_bytes", "available_bytes"))
    assert needed > available <= 60_000
    for words in ("smaller picture", "close other programs", "UNDERPAINT_VRAM_RESERVE_BYTES"):
        assert words in error.message


def test_jobs_that_do_not_fit_together_go_on_one_by_one_and_say_so(tmp_path: Path) -> None:
    FakeFamily.steps_taken.clear()
    FakeFamily.release.clear()
    FakeFamily.holding.clear()
    machine = Machine(tmp_path)
    hold(machine)
    for name in ("a", "b"):
        machine.submit(name, "crowd", steps=3)
    machine.prepared(2)
    FakeFamily.release.set()
    for name in ("a", "b"):
        finished = machine.outcome(name).finished
        assert finished is not None and list(finished.notes) == [ONE_BY_ONE]
    assert all(len(group) == 1 for group in FakeFamily.steps_taken[1:])
    assert len(FakeFamily.steps_taken) == 7
    assert machine.loop.stop(60)


def test_what_was_measured_corrects_the_estimate_and_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "state" / "memory-cpu.json"
    estimates, need = Estimates(file), Need("sdxl denoise", 1000)
    assert 1000 < estimates.bytes(need) < 2000
    estimates.learn(need, 500)
    assert 500 <= estimates.bytes(need) < 600
    estimates.learn(need, 400)
    # The largest counts, and what was learned at one size holds for another.
    assert 500 <= estimates.bytes(need) < 600
    assert 5000 <= estimates.bytes(Need("sdxl denoise", 10_000)) < 6000
    assert estimates.bytes(Need("sdxl decode", 1000)) > 1000
    estimates.save()
    assert Estimates(file).bytes(need) == estimates.bytes(need)
    file.write_text("{ cut off")
    assert Estimates(file).bytes(need) == Estimates().bytes(need)
