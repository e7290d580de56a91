"""References in the engine: masks, steps, batches, memory, and that nothing of them stays behind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny_models import build_tiny_control, build_tiny_reference
from tests.unit.engine.stepping import counted_and_equal, run_together
from tests.unit.engine.stock import RGB, Case, Ours, distance
from tests.unit.engine.test_control_parity import Steer, run
from tests.unit.engine.test_reference_parity import Look, assignment, latents
from underpaint.engine.controls.places import attentions
from underpaint.engine.controls.plan import PlannedControl
from underpaint.engine.diffusion.job import DiffusionTask
from underpaint.engine.family import Assignment
from underpaint.engine.pixels import Raster
from underpaint.geometry import Size
from underpaint.types import MASK_FORMAT, PixelFormat, StageKind
from underpaint.weights import kinds

CASE = Case("txt2img")
SIZE = Size(64, 64)


@pytest.fixture(scope="module")
def ours(models: Path) -> Ours:
    return Ours(models / "plain")


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_reference(tmp_path_factory.mktemp("references") / "a.safetensors")


@pytest.fixture(scope="module")
def plus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_reference(tmp_path_factory.mktemp("references") / "b.safetensors", plus=True, seed=1)


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_control(tmp_path_factory.mktemp("nets") / "a")


def masked(adapter: Path, mask: np.ndarray) -> Assignment:
    """A job with one reference that counts where the mask says."""
    found = assignment(CASE, [Look(adapter, mask=1.0)])
    inputs = {**found.inputs, "blobs/where-0": Raster.over(mask.tobytes(), MASK_FORMAT, 64, 64)}
    return replace(found, inputs=inputs)


def made(ours: Ours, given: Assignment) -> torch.Tensor:
    found = run(ours, given).current.latents
    assert found is not None
    return found


def planned(ours: Ours, *looks: Look) -> tuple[PlannedControl, ...]:
    return ours.family.prepare(assignment(CASE, looks)).controls


def unet(ours: Ours) -> Any:
    ours.family.load()
    return ours.family._parts.network[0]


def test_a_job_without_references_is_the_same_to_the_bit_after_one_with_them(
    models: Path, ours: Ours, adapter: Path, plus: Path
) -> None:
    before = [(name, type(one.processor)) for name, one in attentions(unet(ours))]
    names = set(unet(ours).state_dict())
    latents(ours, CASE, [Look(adapter), Look(plus, 6, mask=20.0)])
    with pytest.raises(RuntimeError, match="in the middle of a step"):
        fail_inside(ours, planned(ours, Look(adapter)))
    assert [(name, type(one.processor)) for name, one in attentions(unet(ours))] == before
    assert set(unet(ours).state_dict()) == names
    assert unet(ours).encoder_hid_proj is None
    assert torch.equal(latents(ours, CASE, []), latents(Ours(models / "plain"), CASE, []))


@torch.inference_mode()
def fail_inside(ours: Ours, controls: tuple[PlannedControl, ...]) -> None:
    references = ours.family._controls.references
    with references.around(unet(ours), [controls], SIZE, (8, 8), blind=0):
        raise RuntimeError("in the middle of a step")


def test_a_mask_of_nothing_is_no_reference_and_a_full_one_no_mask(ours: Ours, adapter: Path) -> None:
    free, seen = latents(ours, CASE, []), latents(ours, CASE, [Look(adapter)])
    assert distance(seen, free) > 1e-2
    assert distance(made(ours, masked(adapter, np.zeros((64, 64), np.uint8))), free) <= 1e-6
    assert torch.equal(made(ours, masked(adapter, np.full((64, 64), 255, np.uint8))), seen)
    assert distance(latents(ours, CASE, [Look(adapter, strength=0.0)]), free) <= 1e-6


@given(
    left=st.integers(0, 8),
    width=st.integers(0, 8),
    top=st.integers(0, 8),
    strength=st.floats(0.0, 2.0),
    soft=st.floats(0.1, 0.9),
)
@settings(max_examples=20, deadline=None)
def test_a_mask_keeps_the_effect_to_its_cells_in_proportion(
    ours: Ours, adapter: Path, left: int, width: int, top: int, strength: float, soft: float
) -> None:
    mask = np.zeros((64, 64), np.float32)
    mask[8 * top :, 8 * left : 8 * (left + width)] = soft
    (control,) = planned(ours, Look(adapter))
    where = replace(control, masks={SIZE: mask}, strength=strength)
    noise = torch.Generator().manual_seed(0)
    # Its block has 4x4 cells and 32 channels.
    name, attention = attentions(unet(ours))[0]
    hidden, text = torch.randn((2, 16, 32), generator=noise), torch.randn((2, 77, 16), generator=noise)

    @torch.inference_mode()
    def output(*jobs: PlannedControl) -> torch.Tensor:
        references = ours.family._controls.references
        with references.around(unet(ours), [[one] for one in jobs], SIZE, (8, 8), blind=0):
            found: torch.Tensor = attention(hidden, encoder_hidden_states=text)
        return found

    with torch.inference_mode():
        free = attention(hidden, encoder_hidden_states=text)
    whole = output(control, control) - free
    changed = output(where, control) - free
    cells = torch.from_numpy(mask.reshape(4, 16, 4, 16).mean((1, 3))).flatten()[:, None]
    assert whole.abs().max() > 0.1, name
    assert torch.allclose(changed[0], whole[0] * cells * strength, atol=1e-5)
    # The other job in the same forward pass has no mask and its own strength.
    assert torch.allclose(changed[1], whole[1], atol=1e-5)


@pytest.mark.parametrize(("start", "end", "counted"), [(0.0, 0.5, [0, 1]), (0.5, 1.0, [2, 3])])
def test_latents_change_only_from_the_first_step_that_counts_on(
    ours: Ours, adapter: Path, start: float, end: float, counted: list[int]
) -> None:
    given = assignment(CASE, [Look(adapter)])
    given.spec.controls[0].start, given.spec.controls[0].end = start, end
    steps, equal = counted_and_equal(ours, given, assignment(CASE, []))
    assert steps == counted
    assert equal == [index < counted[0] for index in range(4)]


def test_mixed_jobs_with_references_in_one_batch_equal_the_same_jobs_alone(
    ours: Ours, adapter: Path, plus: Path, net: Path
) -> None:
    jobs = [
        assignment(CASE, [Look(adapter, 5, 0.7)], job="jobs/0"),
        assignment(
            CASE.but(scheduler="euler", seed=4, steps=5), [Look(adapter, 8, 0.4, "style")], job="jobs/1"
        ),
        assignment(CASE.but(seed=2), [Look(plus, 6, mask=20.0)], job="jobs/2"),
        assignment(CASE.but(seed=3), [], job="jobs/3"),
        assignment(CASE.but(seed=6), [Look(adapter, 6, mask=15.0)], job="jobs/4"),
        assignment(CASE.but(seed=7), [Look(adapter, 9)], [Steer(net, 3)], job="jobs/5"),
    ]
    alone = [made(ours, job) for job in jobs]
    tasks = [ours.family.prepare(job) for job in jobs]
    shared = run_together(ours, tasks)
    for task, single in zip(tasks, alone, strict=True):
        assert task.current.latents is not None
        assert distance(task.current.latents, single) <= 5e-5
    assert frozenset({0, 1, 4}) in shared and frozenset({2}) in shared and frozenset({5}) in shared


def test_a_picture_is_encoded_once_however_often_it_is_shown(models: Path, adapter: Path) -> None:
    engine = Ours(models / "plain")
    references = engine.family._controls.references
    latents(engine, CASE, [Look(adapter, 5)])
    latents(engine, CASE.but(seed=3), [Look(adapter, 5, 0.3), Look(adapter, 5, mask=20.0)])
    assert references.calls == 1
    latents(engine, CASE, [Look(adapter, 6)])
    assert references.calls == 2


def test_a_reference_is_seen_whole_wherever_it_lies_and_on_white_paper(ours: Ours, adapter: Path) -> None:
    here = assignment(CASE, [Look(adapter)])
    there = assignment(CASE, [Look(adapter)])
    there.spec.controls[0].image.x_px, there.spec.controls[0].image.y_px = -500, 900
    assert torch.equal(made(ours, here), made(ours, there))

    drawn = np.zeros((48, 72, 4), np.uint8)
    drawn[10:20, :, 3] = 255
    flat = np.full((48, 72, 3), 255, np.uint8)
    flat[10:20] = 0
    clear = {**here.inputs, "blobs/look-0": Raster.over(drawn.tobytes(), PixelFormat(), 72, 48)}
    paper = {**here.inputs, "blobs/look-0": Raster.over(flat.tobytes(), RGB, 72, 48)}
    assert torch.equal(made(ours, replace(here, inputs=clear)), made(ours, replace(here, inputs=paper)))


def test_both_passes_of_a_large_picture_look_at_it(ours: Ours, adapter: Path) -> None:
    given = assignment(CASE.but(steps=5), [Look(adapter)])
    given.spec.text_to_image.width_px, given.spec.text_to_image.height_px = 128, 192
    task = ours.family.prepare(given)
    kinds_planned = [stage.kind for stage in task.plan]
    assert kinds_planned[:4] == [
        StageKind.LOADING,
        StageKind.ENCODING_TEXT,
        StageKind.ENCODING_IMAGE,
        StageKind.DENOISING,
    ]
    looked = []
    while not task.ready_to_finish:
        if task.plan[task.stage_index].kind is StageKind.DENOISING:
            looked.append((task.pass_index, len(task.steered_by)))
        ours.family.step([task])
    assert looked == [(0, 1)] * 5 + [(1, 1)] * 2


class Delegating:
    """Somebody else's processor over the one that it finds: it hides all text but the first token."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: Any = None,
        attention_mask: Any = None,
    ) -> Any:
        rows, count, _ = encoder_hidden_states.shape
        mask = torch.full((rows, 1, count), -1e4)
        mask[..., 0] = 0.0
        return self.inner(attn, hidden_states, encoder_hidden_states, attention_mask=mask)


def test_a_processor_that_delegates_hides_text_beside_references_as_it_does_without(
    ours: Ours, adapter: Path
) -> None:
    (control,) = planned(ours, Look(adapter))
    _, attention = attentions(unet(ours))[0]
    noise = torch.Generator().manual_seed(0)
    hidden, text = torch.randn((1, 16, 32), generator=noise), torch.randn((1, 77, 16), generator=noise)

    @torch.inference_mode()
    def hiding() -> torch.Tensor:
        kept = attention.processor
        attention.processor = Delegating(kept)
        try:
            found: torch.Tensor = attention(hidden, encoder_hidden_states=text)
            return found
        finally:
            attention.processor = kept

    @torch.inference_mode()
    def inside(strength: float) -> torch.Tensor:
        references = ours.family._controls.references
        jobs = [[replace(control, strength=strength)]]
        with references.around(unet(ours), jobs, SIZE, (8, 8), blind=0):
            return hiding()

    alone = hiding()
    assert torch.allclose(inside(0.0), alone, atol=1e-6)
    assert (inside(1.0) - alone).abs().max() > 0.1


def test_adapter_and_encoder_are_loaded_in_the_first_stage_and_given_back_with_their_model(
    models: Path, adapter: Path
) -> None:
    engine = Ours(models / "plain")
    task: DiffusionTask = engine.family.prepare(assignment(CASE, [Look(adapter), Look(adapter, 6)]))
    assert task.plan[0].kind is StageKind.LOADING and task.plan[0].steps == 5
    while task.plan[task.stage_index].kind is StageKind.LOADING:
        engine.family.step([task])
    steering = engine.family._controls
    assert steering.missing(task.controls) == []
    steering.nets._shelf.release("plain")
    assert steering.missing(task.controls) == [
        (kinds.IP_ADAPTER, adapter),
        (kinds.IMAGE_ENCODER, adapter.parent / "image_encoder"),
    ]


def test_pictures_of_any_shape_can_be_masked(ours: Ours, adapter: Path) -> None:
    # Blocks of 7x10 and 4x5 cells: height and width cannot be told from their number.
    case = CASE.but(width=80, height=56)
    mask = np.zeros((56, 80), np.uint8)
    mask[:, 40:] = 255
    given = assignment(case, [Look(adapter, mask=1.0)])
    inputs = {**given.inputs, "blobs/where-0": Raster.over(mask.tobytes(), MASK_FORMAT, 80, 56)}
    free, seen = latents(ours, case, []), made(ours, replace(given, inputs=inputs))
    assert seen.shape[2:] == (7, 10)
    one_step = replace(given, inputs=inputs)
    one_step.spec.steps = 1
    changed = (made(ours, one_step) - latents(ours, case.but(steps=1), [])).abs().amax((0, 1, 2))
    assert changed[6:].mean() > 2.0 * changed[:4].mean()
    assert distance(seen, free) > 1e-2
