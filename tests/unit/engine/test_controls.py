"""Controls in the engine: masks, places, passes, batches, preprocessors."""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny_models import build_tiny_control
from tests.unit.engine.stepping import counted_and_equal, run_together
from tests.unit.engine.stock import RGB, Case, Ours, distance, photo
from tests.unit.engine.test_control_parity import Steer, assignment, latents, run
from underpaint.engine.controls.plan import PlannedControl, plan_controls
from underpaint.engine.diffusion.job import DiffusionTask
from underpaint.engine.family import Assignment
from underpaint.engine.pixels import Raster
from underpaint.engine.pixels.color import Floats
from underpaint.errors import InvalidRequest, PluginFailed
from underpaint.geometry import Size
from underpaint.types import MASK_FORMAT, Bounds, PixelFormat, StageKind, Tiling
from underpaint.v1 import image_pb2, job_service_pb2
from underpaint.weights import kinds
from underpaint.worker_v1.worker_service_pb2 import ControlSource, PluginFunction


@pytest.fixture(scope="module")
def ours(models: Path) -> Ours:
    return Ours(models / "plain")


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_control(tmp_path_factory.mktemp("nets") / "a")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_control(tmp_path_factory.mktemp("nets") / "b", seed=1)


def masked(case: Case, net: Path, mask: np.ndarray, job: str = "jobs/1") -> Assignment:
    """A case with one control that counts where the mask says."""
    found = assignment(case, [Steer(net)], job)
    found.spec.controls[0].mask.CopyFrom(image_pb2.ImageRef(blob="blobs/where"))
    height, width = mask.shape
    inputs = {**found.inputs, "blobs/where": Raster.over(mask.tobytes(), MASK_FORMAT, width, height)}
    return Assignment(found.job, found.spec, inputs, controls=found.controls)


def made(ours: Ours, given: Assignment) -> torch.Tensor:
    found = run(ours, given).current.latents
    assert found is not None
    return found


@lru_cache(None)
def unsteered(ours: Ours) -> DiffusionTask:
    """A finished job without controls."""
    return run(ours, assignment(Case("txt2img"), []))


FULL, EMPTY = np.full((64, 64), 255, np.uint8), np.zeros((64, 64), np.uint8)


def test_a_mask_of_nothing_is_no_control_and_a_full_one_no_mask(ours: Ours, net: Path) -> None:
    case = Case("txt2img")
    free, steered = latents(ours, case, []), latents(ours, case, [Steer(net)])
    assert distance(free, steered) > 1e-2
    assert distance(made(ours, masked(case, net, EMPTY)), free) <= 1e-6
    assert distance(made(ours, masked(case, net, FULL)), steered) == 0.0


@given(left=st.integers(0, 8), width=st.integers(0, 8), top=st.integers(0, 8), strength=st.floats(0.0, 2.0))
@settings(max_examples=25, deadline=None)
def test_a_mask_keeps_the_effect_to_its_cells(
    ours: Ours, net: Path, left: int, width: int, top: int, strength: float
) -> None:
    task = unsteered(ours)
    assert task.text is not None
    mask = np.zeros((64, 64), np.float32)
    mask[8 * top :, 8 * left : 8 * (left + width)] = 1.0
    size = Size(64, 64)
    pictures = {size: photo(seed=5).astype(np.float32) / 255}
    inputs = {
        "sample": torch.randn((2, 4, 8, 8), generator=torch.Generator().manual_seed(0)),
        "timestep": torch.tensor([500.0, 20.0]),
        "encoder_hidden_states": torch.cat([task.text.hidden] * 2),
    }

    @torch.inference_mode()
    def blocks(masks: dict[Size, Floats] | None, strength: float) -> list[torch.Tensor]:
        control = PlannedControl(net, pictures, masks, strength, 0.0, 1.0)
        free = PlannedControl(net, pictures, None, 1.0, 0.0, 1.0)
        ((down, middle),) = ours.family._controls.nets.residuals(
            [[control], [free]], size, inputs, Tiling.NONE
        )
        return [*down, middle]

    for found, whole in zip(blocks({size: mask}, strength), blocks(None, 1.0), strict=True):
        cells = torch.nn.functional.interpolate(
            torch.from_numpy(mask)[None, None], found.shape[2:], mode="area"
        )
        assert torch.allclose(found[0], whole[0] * cells[0] * strength, atol=1e-6)
        assert (found[0] * (cells[0] == 0.0) == 0.0).all()
        # The other job in the same forward pass has no mask and its own strength.
        assert torch.equal(found[1], whole[1])


@pytest.mark.parametrize("half", [slice(0, 32), slice(32, 64)])
def test_a_control_image_says_nothing_where_it_does_not_reach(ours: Ours, net: Path, half: slice) -> None:
    case = Case("txt2img")
    whole = assignment(case, [Steer(net)])
    # The same pixels, cut to one half, do what the whole image does with a mask over that half; its
    # rim continues outwards, which the first layers of the net see a little of.
    part = np.ascontiguousarray(photo(seed=5)[:, half])
    spec = job_service_pb2.JobSpec()
    spec.CopyFrom(whole.spec)
    spec.controls[0].image.x_px = half.start
    cut = {"blobs/control-0": Raster.over(part.tobytes(), RGB, 32, 64)}
    mask = EMPTY.copy()
    mask[:, half] = 255
    reached = made(ours, Assignment("jobs/1", spec, cut, controls=whole.controls))
    expected, free = made(ours, masked(case, net, mask)), latents(ours, case, [])
    assert distance(reached, expected) < 0.5 * distance(expected, free)


@given(
    place=st.builds(
        Bounds, st.integers(-40, 70), st.integers(-40, 70), st.integers(1, 90), st.integers(1, 90)
    )
)
@settings(max_examples=60, deadline=None)
def test_a_control_image_lies_at_its_place_on_the_canvas(place: Bounds) -> None:
    window = Bounds(10, 20, 48, 32)
    pixels = np.random.default_rng(0).integers(0, 256, (place.height, place.width, 3), np.uint8)
    spec = job_service_pb2.JobSpec()
    spec.controls.add(role="x").image.CopyFrom(image_pb2.ImageRef(blob="b", x_px=place.x, y_px=place.y))
    inputs = {"b": Raster.over(pixels.tobytes(), RGB, place.width, place.height)}
    given = Assignment("jobs/1", spec, inputs, controls=(ControlSource(name="n", path="/n"),))
    plan = partial(plan_controls, given, spec, window, [Size(48, 32)], Tiling.NONE)
    common = place.intersect(window)
    if common.is_empty:
        with pytest.raises(InvalidRequest, match=r"spec\.controls\[0\]\.image lies beside"):
            plan()
        return
    (control,) = plan()
    canvas = np.zeros((260, 260, 3), np.float32)
    canvas[place.y + 60 : place.y + 60 + place.height, place.x + 60 : place.x + 60 + place.width] = (
        pixels / np.float32(255)
    )
    reach = np.zeros((32, 48), np.float32)
    rows = slice(common.y - window.y, common.y - window.y + common.height)
    columns = slice(common.x - window.x, common.x - window.x + common.width)
    reach[rows, columns] = 1.0
    picture = control.pictures[Size(48, 32)]
    expected = canvas[window.y + 60 : window.y + 92, window.x + 60 : window.x + 108]
    np.testing.assert_allclose(picture[rows, columns], expected[rows, columns], atol=1e-6)
    if control.masks is None:
        assert reach.all()
    else:
        np.testing.assert_array_equal(control.masks[Size(48, 32)], reach)


@given(
    start=st.floats(0.0, 0.99), length=st.floats(0.01, 1.0), steps=st.integers(1, 60), done=st.integers(0, 59)
)
def test_a_control_counts_only_inside_its_share(start: float, length: float, steps: int, done: int) -> None:
    end = min(1.0, start + length)
    control = PlannedControl(Path("n"), {}, None, 1.0, start, end)
    begin, until = done / steps, (done + 1) / steps
    assert control.counts(begin, until) is (start <= begin and until <= end)


@pytest.mark.parametrize(("start", "end", "steered"), [(0.0, 0.5, [0, 1]), (0.5, 1.0, [2, 3])])
def test_latents_change_only_from_the_first_step_that_counts_on(
    ours: Ours, net: Path, start: float, end: float, steered: list[int]
) -> None:
    case = Case("txt2img")
    given = assignment(case, [Steer(net, start=start, end=end)])
    counted, equal = counted_and_equal(ours, given, assignment(case, []))
    assert counted == steered
    assert equal == [index < steered[0] for index in range(4)]


def test_mixed_jobs_with_controls_in_one_batch_equal_the_same_jobs_alone(
    ours: Ours, net: Path, other: Path
) -> None:
    where = EMPTY.copy()
    where[10:50, 20:60] = 255
    jobs = [
        assignment(Case("txt2img", "ddim", steps=3), [Steer(net, 5, 0.7)], "jobs/0"),
        assignment(Case("txt2img", "euler", seed=4, steps=5), [Steer(net, 8, 0.4, 0.0, 0.6)], "jobs/1"),
        assignment(Case("img2img", "ddim", seed=2, steps=6), [Steer(other, 6, 1.0)], "jobs/2"),
        assignment(Case("txt2img", "ddim", seed=3, steps=4), [], "jobs/3"),
        masked(Case("txt2img", "ddim", seed=6, steps=4), net, where, "jobs/4"),
    ]
    alone = [run(ours, job) for job in jobs]
    tasks = [ours.family.prepare(job) for job in jobs]
    shared = run_together(ours, tasks)
    for task, single in zip(tasks, alone, strict=True):
        assert task.current.latents is not None and single.current.latents is not None
        assert distance(task.current.latents, single.current.latents) <= 5e-5
    assert frozenset({0, 1, 4}) in shared and frozenset({1, 3}) in shared


def test_a_picture_in_two_passes_is_steered_in_both(ours: Ours, net: Path) -> None:
    spec_size = Size(128, 192)
    given = assignment(Case("txt2img", steps=5), [Steer(net)])
    given.spec.text_to_image.width_px, given.spec.text_to_image.height_px = spec_size
    drawing = photo(*spec_size, seed=5)
    inputs = {"blobs/control-0": Raster.over(drawing.tobytes(), RGB, *spec_size)}
    task = ours.family.prepare(Assignment("jobs/1", given.spec, inputs, controls=given.controls))
    sizes = {tuple(size) for size in task.controls[0].pictures}
    assert sizes == {(56, 80), (128, 192)}
    steered = []
    while not task.ready_to_finish:
        if task.plan[task.stage_index].kind is StageKind.DENOISING:
            steered.append((task.pass_index, len(task.steered_by)))
        ours.family.step([task])
    assert steered == [(0, 1)] * 5 + [(1, 1)] * 2


def test_a_second_pass_counts_as_the_last_part_of_the_way(ours: Ours, net: Path) -> None:
    given = assignment(Case("txt2img", steps=5), [Steer(net, end=0.7)])
    given.spec.text_to_image.width_px = given.spec.text_to_image.height_px = 160
    task = ours.family.prepare(given)
    steered = []
    while not task.ready_to_finish:
        if task.plan[task.stage_index].kind is StageKind.DENOISING:
            steered.append((task.pass_index, len(task.steered_by)))
        ours.family.step([task])
    # Five steps of a fifth each; then two from 0.6 on, the first of which ends at 0.8.
    assert steered == [(0, 1), (0, 1), (0, 1), (0, 0), (0, 0), (1, 0), (1, 0)]


@pytest.mark.parametrize("tiling", [Tiling.X, Tiling.Y])
def test_a_seamless_picture_is_steered_across_its_edge(ours: Ours, net: Path, tiling: Tiling) -> None:
    task = run(ours, assignment(Case("txt2img"), [Steer(net)]))
    assert task.text is not None
    control, size = task.controls[0], Size(64, 64)
    axis, dim = (1, 3) if tiling is Tiling.X else (0, 2)
    rolled = {size: np.roll(control.pictures[size], 16, axis)}
    moved = PlannedControl(control.folder, rolled, None, 1.0, 0.0, 1.0)
    sample = torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(0))
    text = {"timestep": torch.tensor([500.0]), "encoder_hidden_states": task.text.hidden}

    @torch.inference_mode()
    def middle(one: PlannedControl, shift: int, how: Tiling) -> torch.Tensor:
        inputs = {"sample": torch.roll(sample, shift, dim), **text}
        ((down, _),) = ours.family._controls.nets.residuals([[one]], size, inputs, how)
        return down[0]

    still, shifted = middle(control, 0, tiling), middle(moved, 2, tiling)
    assert distance(torch.roll(shifted, -2, dim), still) < 1e-5
    still, shifted = middle(control, 0, Tiling.NONE), middle(moved, 2, Tiling.NONE)
    assert distance(torch.roll(shifted, -2, dim), still) > 1e-3


def bright(picture: Floats, parameters: dict[str, float], check: object) -> Floats:
    """A preprocessor: where it is brighter than `above`."""
    seen.append(picture)
    return np.asarray(picture[..., :3].mean(axis=2) > parameters["above"], np.float32)


def broken(picture: Floats, parameters: dict[str, float], check: object) -> Floats:
    raise RuntimeError("no lamp")


seen: list[Floats] = []


def preprocessed(pixels: np.ndarray, format: PixelFormat, engine: str, size: Size) -> PlannedControl:
    spec = job_service_pb2.JobSpec()
    control = spec.controls.add(role="x", preprocessor="bright", parameters={"above": 0.5})
    control.image.blob = "b"
    height, width = pixels.shape[:2]
    source = ControlSource(
        name="n", path="/n", preprocessor=PluginFunction(name="bright", engine=f"{__name__}:{engine}")
    )
    inputs = {"b": Raster.over(pixels.tobytes(), format, width, height)}
    given = Assignment("jobs/1", spec, inputs, controls=(source,))
    return plan_controls(given, spec, Bounds(0, 0, width, height), [size], Tiling.NONE)[0]


def test_a_preprocessor_looks_at_the_picture_at_the_size_of_the_pass(ours: Ours) -> None:
    seen.clear()
    ramp = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], 64, 0).repeat(3, 2)
    control = preprocessed(np.ascontiguousarray(ramp), RGB, "bright", Size(32, 16))
    assert [one.shape for one in seen] == [(16, 32, 4)]
    made = control.pictures[Size(32, 16)]
    assert made.shape == (16, 32, 3)
    assert (made[:, :15] == 0.0).all() and (made[:, 17:] == 1.0).all()


def test_what_is_transparent_is_paper_for_a_preprocessor_and_nothing_without_one() -> None:
    stroke = np.zeros((16, 16, 4), np.uint8)
    stroke[4:8, :, 3] = 255
    made = preprocessed(stroke, PixelFormat(), "bright", Size(16, 16)).pictures[Size(16, 16)]
    assert (made[4:8] == 0.0).all() and (made[:4] == 1.0).all() and (made[8:] == 1.0).all()
    spec = job_service_pb2.JobSpec()
    spec.controls.add(role="x").image.blob = "b"
    inputs = {"b": Raster.over(stroke.tobytes(), PixelFormat(), 16, 16)}
    given = Assignment("jobs/1", spec, inputs, controls=(ControlSource(name="n", path="/n"),))
    (plain,) = plan_controls(given, spec, Bounds(0, 0, 16, 16), [Size(16, 16)], Tiling.NONE)
    assert (plain.pictures[Size(16, 16)] == 0.0).all()


def test_a_preprocessor_that_fails_is_named() -> None:
    with pytest.raises(PluginFailed, match="'bright' failed .*no lamp"):
        preprocessed(np.zeros((8, 8, 3), np.uint8), RGB, "broken", Size(8, 8))


def test_what_was_left_out_comes_back_filled_in(ours: Ours, net: Path) -> None:
    given = assignment(Case("txt2img"), [Steer(net)])
    for name in ("strength", "start", "end"):
        given.spec.controls[0].ClearField(name)
    (control,) = ours.family.prepare(given).resolved.controls
    assert (control.strength, control.start, control.end) == (1.0, 0.0, 1.0)


def test_a_net_is_loaded_in_the_first_stage_and_given_back_with_its_model(models: Path, net: Path) -> None:
    engine = Ours(models / "plain")
    task = engine.family.prepare(assignment(Case("txt2img"), [Steer(net), Steer(net, 6)]))
    assert task.plan[0].kind is StageKind.LOADING and task.plan[0].steps == 4
    while task.plan[task.stage_index].kind is StageKind.LOADING:
        engine.family.step([task])
    assert engine.family._controls.missing(task.controls) == []
    engine.family._controls.nets._shelf.release("plain")
    assert engine.family._controls.missing(task.controls) == [(kinds.CONTROL_NET, net)]
    assert not engine.family.loaded
