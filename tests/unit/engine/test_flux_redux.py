"""FLUX.1 Redux: same seed, same picture as the stock pipelines; what masks do; nothing of it stays behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from tests.tiny_flux import build_tiny_flux_control, build_tiny_redux
from tests.unit.engine.flux_looks import Look, assignment, latents, made
from tests.unit.engine.stepping import counted_and_equal, run_together
from tests.unit.engine.stock import Case, Ours, disc, distance, photo
from tests.unit.engine.test_flux_control_parity import Net
from underpaint.engine.pixels import Raster
from underpaint.types import MASK_FORMAT, StageKind

TOLERANCE = 1e-5
SENSITIVITY = 1e-2
CASE = Case("txt2img", "flow-match-euler", negative="")
PIPELINES: dict[tuple[str, str], Any] = {
    ("flux-dev", "txt2img"): diffusers.FluxPipeline,
    ("flux-dev", "img2img"): diffusers.FluxImg2ImgPipeline,
    ("flux-dev", "inpaint"): diffusers.FluxInpaintPipeline,
    ("flux-schnell", "txt2img"): diffusers.FluxPipeline,
    ("flux-fill", "inpaint"): diffusers.FluxFillPipeline,
}


@lru_cache(None)
def _pipeline(model: Path, operation: str) -> Any:
    found = PIPELINES[model.name, operation].from_pretrained(model)
    found.set_progress_bar_config(disable=True)
    return found


@torch.no_grad()
def stock(model: Path, case: Case, looks: Sequence[Look]) -> torch.Tensor:
    """The last latents of the stock prior and pipeline, unpacked. Several strengths must add up to 1."""
    pipeline = _pipeline(model, case.operation)
    embedded = bool(pipeline.transformer.config.guidance_embeds)
    length = 512 if embedded else 256
    hidden, pooled, _ = pipeline.encode_prompt(case.prompt, None, max_sequence_length=length)
    prior = diffusers.FluxPriorReduxPipeline.from_pretrained(
        looks[0].place,
        text_encoder=pipeline.text_encoder,
        tokenizer=pipeline.tokenizer,
        text_encoder_2=pipeline.text_encoder_2,
        tokenizer_2=pipeline.tokenizer_2,
    )
    strengths = [one.strength for one in looks]
    seen = prior(
        [Image.fromarray(one.pixels()) for one in looks],
        prompt_embeds=hidden.repeat(len(looks), 1, 1),
        pooled_prompt_embeds=pooled.repeat(len(looks), 1),
        prompt_embeds_scale=strengths,
        pooled_prompt_embeds_scale=strengths,
    )
    more: dict[str, Any] = {}
    if case.operation != "txt2img":
        more |= {"image": Image.fromarray(photo()), "strength": case.strength}
    if case.operation == "inpaint":
        more["mask_image"] = Image.fromarray(disc(radius=case.mask))
    if case.negative:
        more |= {"negative_prompt": case.negative, "true_cfg_scale": case.guidance}
    kept: list[torch.Tensor] = []

    def keep(_pipeline: Any, _step: int, _time: Any, values: dict[str, Any]) -> dict[str, Any]:
        kept.append(values["latents"])
        return {}

    pipeline(
        **seen,
        width=64,
        height=64,
        num_inference_steps=case.steps,
        guidance_scale=case.guidance,
        generator=torch.Generator().manual_seed(case.seed),
        callback_on_step_end=keep,
        max_sequence_length=length,
        **more,
    )
    found: torch.Tensor = pipeline._unpack_latents(kept[-1], 64, 64, pipeline.vae_scale_factor)
    return found


@pytest.fixture(scope="module")
def redux(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_redux(tmp_path_factory.mktemp("redux") / "one")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_redux(tmp_path_factory.mktemp("redux") / "other", seed=1)


@pytest.fixture(scope="module")
def engine(models: Path) -> Callable[[str], Ours]:
    return lru_cache(None)(lambda model: Ours(models / model))


@pytest.mark.parametrize("strengths", [(1.0,), (0.75, 0.25)], ids=str)
def test_latents_are_those_of_the_stock_prior_and_pipeline(
    models: Path, redux: Path, other: Path, engine: Callable[[str], Ours], strengths: tuple[float, ...]
) -> None:
    ours = engine("flux-dev")
    looks = [Look(redux, 5 + index, strength) for index, strength in enumerate(strengths)]
    reference = stock(models / "flux-dev", CASE, looks)
    assert distance(latents(ours, CASE, looks), reference) <= TOLERANCE

    first, rest = looks[0], looks[1:]
    for changed in (
        rest,
        [replace(first, picture=9), *rest],
        [replace(first, strength=0.4), *rest],
        [replace(first, place=other), *rest],
    ):
        assert distance(latents(ours, CASE, changed), reference) >= SENSITIVITY, changed
    for case in (CASE.but(prompt="green moss"), CASE.but(seed=2), CASE.but(guidance=20.0)):
        assert distance(latents(ours, case, looks), reference) >= SENSITIVITY, case


@pytest.mark.parametrize(
    ("model", "operation"),
    [("flux-dev", "img2img"), ("flux-dev", "inpaint"), ("flux-schnell", "txt2img"), ("flux-fill", "inpaint")],
)
def test_other_models_and_operations_agree_with_theirs(
    models: Path, redux: Path, engine: Callable[[str], Ours], model: str, operation: str
) -> None:
    case = CASE.but(operation=operation)
    reference = stock(models / model, case, [Look(redux)])
    assert distance(latents(engine(model), case, [Look(redux)]), reference) <= TOLERANCE
    assert distance(latents(engine(model), case, []), reference) >= SENSITIVITY


def test_without_the_prompt_no_picture_is_read_either(
    models: Path, redux: Path, engine: Callable[[str], Ours]
) -> None:
    case = CASE.but(negative="water")
    reference = stock(models / "flux-schnell", case, [Look(redux)])
    assert distance(latents(engine("flux-schnell"), case, [Look(redux)]), reference) <= TOLERANCE
    assert distance(latents(engine("flux-schnell"), CASE, [Look(redux)]), reference) >= SENSITIVITY


def test_a_mask_of_nothing_is_no_reference_and_a_full_one_no_mask(
    redux: Path, engine: Callable[[str], Ours]
) -> None:
    ours = engine("flux-dev")
    free, seen = latents(ours, CASE, []), latents(ours, CASE, [Look(redux)])
    assert distance(seen, free) >= SENSITIVITY
    nothing, all_of_it = np.zeros((64, 64), np.uint8), np.full((64, 64), 255, np.uint8)
    assert distance(latents(ours, CASE, [Look(redux, mask=nothing)]), free) <= TOLERANCE
    assert torch.equal(latents(ours, CASE, [Look(redux, mask=all_of_it)]), seen)
    assert torch.equal(latents(ours, CASE, [Look(redux, strength=0.0)]), free)


def test_a_mask_says_which_part_takes_after_the_picture(redux: Path, engine: Callable[[str], Ours]) -> None:
    ours = engine("flux-dev")
    left = np.zeros((64, 64), np.uint8)
    left[:, :32] = 255
    case = CASE.but(steps=1)
    changed = (latents(ours, case, [Look(redux, mask=left)]) - latents(ours, case, [])).abs()
    assert changed[..., :4].mean() > 3.0 * changed[..., 4:].mean()
    assert changed[..., :4].mean() > SENSITIVITY


@pytest.mark.parametrize(("start", "end"), [(0.0, 0.5), (0.5, 1.0)])
def test_it_counts_in_its_share_of_the_steps_only(
    redux: Path, engine: Callable[[str], Ours], start: float, end: float
) -> None:
    given = assignment(CASE, [Look(redux, start=start, end=end)])
    counted, equal = counted_and_equal(engine("flux-dev"), given, assignment(CASE, []))
    assert counted == ([0, 1] if start == 0.0 else [2, 3])
    assert equal == [index < 4 * start for index in range(4)]


def test_jobs_with_references_in_one_batch_equal_the_same_jobs_alone(
    redux: Path, other: Path, engine: Callable[[str], Ours], tmp_path: Path
) -> None:
    ours = engine("flux-dev")
    net = Net(build_tiny_flux_control(tmp_path / "net"), 6, 0.7)
    given: list[tuple[list[Look], list[Net]]] = [
        ([Look(redux, 5, 0.7)], []),
        ([Look(redux, 8, 0.4)], []),
        ([Look(redux, 6, mask=disc())], []),
        ([Look(redux, 7, mask=disc(radius=12))], []),
        ([Look(redux, 5), Look(other, 6, 0.5)], [net]),
        ([], [net]),
        ([], []),
    ]
    jobs = [
        assignment(CASE.but(seed=seed), looks, nets, f"jobs/{seed}")
        for seed, (looks, nets) in enumerate(given)
    ]
    alone = [made(ours, job) for job in jobs]
    tasks = [ours.family.prepare(job) for job in jobs]
    shared = run_together(ours, tasks)
    for task, single in zip(tasks, alone, strict=True):
        assert task.current.latents is not None
        assert distance(task.current.latents, single) <= 5e-5
    assert {frozenset({0, 1}), frozenset({2, 3}), frozenset({4}), frozenset({6})} <= shared


def test_beside_regions_a_mask_says_so_too(redux: Path, engine: Callable[[str], Ours]) -> None:
    left, right = np.zeros((64, 64), np.uint8), np.zeros((64, 64), np.uint8)
    left[:, :32] = right[:, 32:] = 255

    def regional(prompt: str, looks: Sequence[Look]) -> torch.Tensor:
        given = assignment(CASE.but(steps=1), looks)
        region = given.spec.regions.add(prompt=prompt)
        region.mask.blob = "blobs/region"
        inputs = {**given.inputs, "blobs/region": Raster.over(right.tobytes(), MASK_FORMAT, 64, 64)}
        return made(engine("flux-dev"), replace(given, inputs=inputs))

    seen = regional("green moss", [Look(redux, mask=left)])
    assert distance(regional("water", [Look(redux, mask=left)]), seen) >= SENSITIVITY
    changed = (seen - regional("green moss", [])).abs()
    assert changed[..., :4].mean() > 3.0 * changed[..., 4:].mean()
    assert changed[..., :4].mean() > SENSITIVITY


def test_a_picture_is_encoded_once_and_both_networks_are_loaded_in_the_first_stage(
    models: Path, redux: Path
) -> None:
    ours = Ours(models / "flux-dev")
    task = ours.family.prepare(assignment(CASE, [Look(redux, 5, 0.6), Look(redux, 6)]))
    assert [stage.kind for stage in task.plan[:3]] == [
        StageKind.LOADING,
        StageKind.ENCODING_TEXT,
        StageKind.ENCODING_IMAGE,
    ]
    assert (task.plan[0].steps, task.plan[2].steps) == (6, 2)
    while not task.ready_to_finish:
        ours.family.step([task])
    assert ours.family._controls.redux.calls == 2
    latents(ours, CASE.but(seed=3), [Look(redux, 5, 0.3)])
    assert ours.family._controls.redux.calls == 2
    assert torch.equal(latents(ours, CASE, []), latents(Ours(models / "flux-dev"), CASE, []))
