"""What the FLUX.1 engine does beyond agreeing with the stock pipelines."""

from __future__ import annotations

import itertools
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch

from tests.unit.engine.rolls import rolls
from tests.unit.engine.stock import RGB, Case, Ours, disc, distance, photo
from underpaint.engine.diffusion.rolling import offset
from underpaint.engine.diffusion.vae_steps import decode_next
from underpaint.engine.family import Assignment
from underpaint.engine.flow import FlowSampler
from underpaint.engine.flux.tokens import from_tokens, places, to_tokens
from underpaint.engine.pixels import Raster
from underpaint.errors import InvalidRequest, OperationUnsupported
from underpaint.types import MASK_FORMAT, PixelFormat, StageKind


@pytest.fixture(scope="module")
def dev(models: Path) -> Ours:
    return Ours(models / "flux-dev")


@pytest.fixture(scope="module")
def schnell(models: Path) -> Ours:
    return Ours(models / "flux-schnell")


@pytest.fixture(scope="module")
def kontext(models: Path) -> Ours:
    return Ours(models / "flux-kontext")


def flux_case(operation: str = "txt2img", **more: object) -> Case:
    return Case(operation, "flow-match-euler", negative="").but(**more)


def test_mixed_jobs_in_one_batch_equal_the_same_jobs_alone(dev: Ours) -> None:
    cases = [
        flux_case(steps=3),
        flux_case(scheduler="flow-match-heun", prompt="green moss", seed=2, steps=4, guidance=9.0),
        flux_case("img2img", seed=3, steps=5, strength=0.5, guidance=1.0),
        flux_case("inpaint", seed=4, steps=3, strength=1.0),
    ]
    alone = [dev.latents(case) for case in cases]
    tasks = [dev.prepare(case, f"jobs/{index}") for index, case in enumerate(cases)]
    forwards = 0
    while waiting := [task for task in tasks if not task.ready_to_finish]:
        early = [task for task in waiting if task.plan[task.stage_index].kind is not StageKind.DENOISING]
        leader = (early or waiting)[0]
        bucket = dev.family.bucket(leader)
        forwards += leader.plan[leader.stage_index].kind is StageKind.DENOISING
        dev.family.step([task for task in waiting if dev.family.bucket(task) == bucket])
    for task, single in zip(tasks, alone, strict=True):
        assert task.current.latents is not None
        assert distance(task.current.latents, single) <= 5e-5
    assert forwards == max(task.denoiser_calls for task in tasks) < sum(t.denoiser_calls for t in tasks)


def test_what_cannot_share_a_forward_pass_is_in_another_bucket(schnell: Ours, models: Path) -> None:
    def denoising(engine: Ours, case: Case) -> object:
        task = engine.prepare(case)
        while task.plan[task.stage_index].kind is not StageKind.DENOISING:
            engine.family.step([task])
        return engine.family.bucket(task)

    plain = denoising(schnell, flux_case())
    assert plain == denoising(schnell, flux_case(prompt="green moss", seed=2, steps=9))
    assert plain != denoising(schnell, flux_case(negative="water"))
    assert plain != denoising(schnell, flux_case(width=96))


def test_a_negative_prompt_that_counts_for_nothing_is_told(dev: Ours, schnell: Ours) -> None:
    task = dev.prepare(flux_case(negative="water"))
    assert not task.guided and "guidance built in" in task.notes[0]
    task = schnell.prepare(flux_case(negative="water", guidance=1.0))
    assert not task.guided and "above 1 it would" in task.notes[0]
    assert schnell.prepare(flux_case(negative="water")).guided


def test_weights_in_a_prompt_are_left_out_with_a_note(dev: Ours) -> None:
    weighted = dev.run(flux_case(prompt="old (brick:1.4) wall"))
    assert any("weights count for nothing" in note for note in weighted.notes)
    assert weighted.current.latents is not None
    assert distance(weighted.current.latents, dev.latents(flux_case())) == 0.0


def test_a_prompt_seen_before_costs_no_encoder_call(dev: Ours) -> None:
    dev.run(flux_case(prompt="red tree"))
    calls = dev.family._parts.text.calls
    dev.run(flux_case(prompt="red tree", seed=9))
    assert dev.family._parts.text.calls == calls


def test_previews_show_the_picture_that_the_latents_point_to(dev: Ours) -> None:
    task = dev.prepare(flux_case(steps=5))
    while not task.ready_to_finish:
        last = task.current.sampler.predicted
        dev.family.step([task])
        if task.current.sampler.finished:
            break
        if task.current.sampler.done:
            shown = dev.family.preview(task)
            assert shown is not None and (shown.width, shown.height) == (64, 64)
    assert task.current.sampler.predicted is not None and last is not None
    # The last step goes all the way, so its guess is what comes out.
    assert task.current.latents is not None
    assert distance(task.current.sampler.predicted, task.current.latents) < 1e-5
    assert distance(last, task.current.latents) > 1e-3


def test_a_soft_mask_changes_pixels_the_more_the_higher_it_is(dev: Ours) -> None:
    ramp = np.ascontiguousarray(np.broadcast_to(np.linspace(0, 255, 64), (64, 64)).astype(np.uint8))
    case = flux_case("inpaint", steps=8, strength=1.0)
    inputs = {**case.inputs(), "blobs/mask": Raster.over(ramp, MASK_FORMAT, 64, 64)}
    task = dev.family.prepare(Assignment("jobs/soft", case.spec(), inputs))
    kept = []
    while not task.ready_to_finish:
        dev.family.step([task])
        current = task.current
        if current.sampler.done and current.image_latents is not None and current.noise is not None:
            still = current.sampler.noised(current.image_latents, current.noise)
            kept.append(int((current.latents == still).all(dim=1).sum()))
    # A cell of coverage m joins in for the last share m of the steps; in the end all but the blackest have.
    assert kept[0] > kept[3] > kept[7] == 0


def test_a_picture_too_large_for_the_model_is_painted_small_and_then_refined(dev: Ours) -> None:
    spec = flux_case(steps=5).spec()
    spec.text_to_image.width_px, spec.text_to_image.height_px = 128, 192
    task = dev.family.prepare(Assignment("jobs/large", spec, {}))
    while not task.ready_to_finish:
        dev.family.step([task])
    assert [tuple(one.size) for one in task.passes] == [(48, 80), (128, 192)]
    assert all(one.sampler.finished for one in task.passes)
    assert dev.family.finish(task)[0].samples.shape == (192, 128, 3)


def test_a_large_hole_is_filled_in_two_passes(models: Path) -> None:
    fill = Ours(models / "flux-fill")
    spec = flux_case("inpaint", strength=1.0).spec()
    inputs = {
        "blobs/image": Raster.over(photo(150, 130).tobytes(), RGB, 150, 130),
        "blobs/mask": Raster.over(disc(150, 130, 30, 70, 60).tobytes(), MASK_FORMAT, 150, 130),
    }
    task = fill.family.prepare(Assignment("jobs/1", spec, inputs))
    while not task.ready_to_finish:
        fill.family.step([task])
    assert [tuple(one.size) for one in task.passes] == [(64, 64), (144, 128)]
    assert fill.family.finish(task)[0].samples.shape == (130, 150, 4)


def test_an_edit_looks_at_the_picture_in_both_passes_and_keeps_its_silhouette(kontext: Ours) -> None:
    spec = flux_case("edit").spec()
    source = np.dstack([photo(150, 130), np.full((130, 150), 255, np.uint8)])
    source[:40, :40, 3] = 0
    inputs = {"blobs/image": Raster.over(source.tobytes(), PixelFormat(), 150, 130)}
    task = kontext.family.prepare(Assignment("jobs/1", spec, inputs))
    kinds = [stage.kind for stage in task.plan]
    assert kinds.count(StageKind.ENCODING_IMAGE) == kinds.count(StageKind.DENOISING) == 2
    while not task.ready_to_finish:
        kontext.family.step([task])
    shown = [one.reference_latents for one in task.passes]
    assert [tuple(one.shape) for one in shown if one is not None] == [(1, 16, 8, 8), (1, 16, 16, 18)]
    picture = kontext.family.finish(task)[0]
    assert picture.samples.shape == (130, 150, 4)
    assert (picture.samples[:40, :40, 3] == 0).all() and picture.samples[60, 70, 3] == 255


def test_edits_of_several_pictures_share_a_forward_pass_and_no_pass_with_other_jobs(kontext: Ours) -> None:
    first = flux_case("edit", prompt="make it red", steps=3)
    second = flux_case("edit", prompt="add a tree", steps=2, seed=4, guidance=1.0)
    other = Raster.over(photo(seed=5).tobytes(), RGB, 64, 64)
    cases = [(first, first.inputs()), (second, {"blobs/image": other}), (flux_case(steps=2), {})]
    alone, calls = [], 0
    for case, inputs in cases:
        task = kontext.family.prepare(Assignment("jobs/alone", case.spec(), inputs))
        while not task.ready_to_finish:
            kontext.family.step([task])
        alone.append(task.current.latents)
    tasks = [
        kontext.family.prepare(Assignment(f"jobs/{index}", case.spec(), inputs))
        for index, (case, inputs) in enumerate(cases)
    ]
    while waiting := [task for task in tasks if not task.ready_to_finish]:
        early = [task for task in waiting if task.plan[task.stage_index].kind is not StageKind.DENOISING]
        leader = (early or waiting)[0]
        calls += leader.plan[leader.stage_index].kind is StageKind.DENOISING
        bucket = kontext.family.bucket(leader)
        kontext.family.step([task for task in waiting if kontext.family.bucket(task) == bucket])
    for task, single in zip(tasks, alone, strict=True):
        assert task.current.latents is not None and single is not None
        assert distance(task.current.latents, single) <= 5e-5
    # Three for the two edits together, two for the picture from words.
    assert calls == 3 + 2


def test_only_kontext_edits(dev: Ours) -> None:
    with pytest.raises(OperationUnsupported, match="cannot do edit; it can do txt2img, img2img, inpaint"):
        dev.prepare(flux_case("edit"))


def test_tokens_and_latents_are_the_same_numbers() -> None:
    latents = torch.arange(2 * 3 * 4 * 6, dtype=torch.float32).reshape(2, 3, 4, 6)
    tokens = to_tokens(latents)
    assert tokens.shape == (2, 6, 12)
    # The first token holds the corner's four cells, channel by channel.
    assert tokens[0, 0].tolist() == [0, 1, 6, 7, 24, 25, 30, 31, 48, 49, 54, 55]
    assert torch.equal(from_tokens(tokens, 4, 6), latents)
    assert places(4, 6).tolist() == [[0, row, column] for row in range(2) for column in range(3)]


@pytest.mark.parametrize(("tile_x", "tile_y"), [(True, False), (False, True), (True, True)])
def test_a_seamless_picture_has_its_border_somewhere_else_at_each_step(
    dev: Ours, tile_x: bool, tile_y: bool
) -> None:
    spec = flux_case(steps=5).spec()
    spec.tile_x, spec.tile_y = tile_x, tile_y
    moved = rolls(dev, spec, lambda tokens: from_tokens(tokens, 8, 8))
    assert len(moved) == 4
    for axis, wanted in ((0, tile_y), (1, tile_x)):
        steps = [one[axis] for one in moved]
        assert all((a != b) == wanted for a, b in itertools.pairwise(steps))


@pytest.mark.parametrize(("tile_x", "tile_y"), [(True, False), (False, True), (True, True)])
def test_the_decoder_of_a_seamless_picture_joins_its_edges(dev: Ours, tile_x: bool, tile_y: bool) -> None:
    spec = flux_case().spec()
    spec.tile_x, spec.tile_y = tile_x, tile_y
    task = dev.family.prepare(Assignment("jobs/t", spec, {}))
    while not task.ready_to_finish:
        dev.family.step([task])
    latents = task.current.latents
    assert latents is not None

    # A seamless decoder commutes with rolling the latents; one that pads with zeros does not.
    def decoded(shift: tuple[int, int]) -> np.ndarray:
        task.current.latents = torch.roll(latents, shift, (2, 3))
        decode_next([task], dev.family._parts)
        assert task.made is not None
        return np.roll(task.made, (-8 * shift[0], -8 * shift[1]), (0, 1))

    still = decoded((0, 0))
    assert (np.abs(decoded((0, 3)) - still).max() < 1e-4) == tile_x
    assert (np.abs(decoded((3, 0)) - still).max() < 1e-4) == tile_y
    assert offset(dev.prepare(flux_case())) == (0, 0)


def test_heun_comes_nearer_to_where_the_flow_leads_than_euler(dev: Ours) -> None:
    # No stock pipeline of FLUX takes it: measured is what a scheduler of second order is for.
    config = dict(diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0).config)
    generator = torch.Generator().manual_seed(0)
    start = torch.randn((1, 4, 8, 8), generator=generator)

    def way(name: str, steps: int) -> torch.Tensor:
        sampler, latents = FlowSampler(name, config, steps, generator, 16), start
        while not sampler.finished:
            # A flow that bends: towards a ring, the faster the noisier.
            latents = sampler.step(latents * (1.0 + sampler.share) - torch.tanh(3.0 * latents), latents)
        return latents

    goal = way("flow-match-euler", 4000)
    euler, heun = distance(way("flow-match-euler", 40), goal), distance(way("flow-match-heun", 20), goal)
    assert heun < euler / 3


def test_heun_is_shifted_as_far_as_euler() -> None:
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    config, generator = dict(scheduler.config), torch.Generator()
    small, large = (
        FlowSampler("flow-match-heun", config, 9, generator, tokens).timesteps for tokens in (256, 4096)
    )
    assert (large[1:] > small[1:]).all()
    # Half of a straight way is where Euler's curve puts it.
    scheduler.set_timesteps(sigmas=[0.5], mu=1.15)
    middle = FlowSampler("flow-match-heun", config, 3, generator, 4096).timesteps[1]
    assert float(middle) == pytest.approx(float(scheduler.timesteps[0]), abs=2.0)


def test_a_scheduler_of_another_kind_is_refused(dev: Ours) -> None:
    with pytest.raises(InvalidRequest, match="flow-match-euler, flow-match-heun") as caught:
        dev.prepare(flux_case(scheduler="euler"))
    assert [violation.field for violation in caught.value.violations] == ["spec.scheduler"]


def test_a_bfloat16_model_gives_about_the_same_picture(models: Path, dev: Ours) -> None:
    made, wanted = Ours(models / "flux-dev", "bfloat16").run(flux_case()).made, dev.run(flux_case()).made
    assert made is not None and wanted is not None
    assert 0 < np.abs(made - wanted).mean() < 0.1
