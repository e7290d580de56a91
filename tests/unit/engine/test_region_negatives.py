"""What to avoid in parts of a picture: what it changes there, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tiny_models import build_tiny_reference
from tests.unit.engine.stock import Case, Ours, distance
from tests.unit.engine.test_reference_parity import Look
from tests.unit.engine.test_reference_parity import assignment as looking
from tests.unit.engine.test_regions import (
    CASE,
    EVERYWHERE,
    LEFT,
    NOTHING,
    SENSITIVITY,
    TOLERANCE,
    Part,
    assignment,
    latents,
    run,
    scheduler_of,
    with_regions,
)
from underpaint.types import StageKind


@pytest.fixture(scope="module")
def engine(models: Path) -> Callable[[str], Ours]:
    return lru_cache(None)(lambda model: Ours(models / model))


@pytest.mark.parametrize(
    ("model", "operation"),
    [
        ("plain", "txt2img"),
        ("inpaint", "inpaint"),
        ("small", "txt2img"),
        ("sdxl", "img2img"),
        ("sdxl-refined", "txt2img"),
        ("flux-schnell", "txt2img"),
    ],
)
def test_over_everything_it_is_as_good_as_the_pictures_own(
    engine: Callable[[str], Ours], model: str, operation: str
) -> None:
    ours, case = engine(model), Case(operation, scheduler_of(model))
    reference = latents(ours, case.but(negative="green moss"))
    here = Part(EVERYWHERE, case.prompt, negative="green moss")
    assert distance(latents(ours, case, here), reference) <= TOLERANCE
    assert distance(latents(ours, case.but(negative=""), here), reference) <= TOLERANCE
    assert distance(latents(ours, case), reference) >= SENSITIVITY
    half = Part(LEFT, case.prompt, negative="green moss")
    assert distance(latents(ours, case, half), reference) >= SENSITIVITY / 2


@pytest.mark.parametrize("model", ["plain", "small", "sdxl", "flux-schnell"])
def test_without_one_a_region_avoids_what_the_picture_avoids(
    engine: Callable[[str], Ours], model: str
) -> None:
    ours, case = engine(model), CASE.but(scheduler=scheduler_of(model))
    silent, same = (latents(ours, case, Part(LEFT, "moss", negative=one)) for one in ("", case.negative))
    assert torch.equal(silent, same)
    # Nobody's is nothing to guide away from, and asks for no second pass.
    bare = case.but(negative="")
    lost = Part(NOTHING, "moss", negative="sky")
    assert torch.equal(latents(ours, bare, lost), latents(ours, bare))


@pytest.mark.parametrize(("model", "factor"), [("plain", 3.0), ("small", 8.0), ("sdxl", 3.0)])
def test_it_changes_what_lies_inside_more_than_what_lies_outside(
    engine: Callable[[str], Ours], model: str, factor: float
) -> None:
    # One step and a small region, as for prompts: random nets carry everything everywhere.
    ours, case = engine(model), CASE.but(scheduler=scheduler_of(model), steps=1, width=256, height=256)
    case = case.but(guidance=10.0)
    square = np.zeros((256, 256), np.float32)
    square[64:128, 128:192] = 1.0
    first, second = (
        latents(ours, case, Part(square, case.prompt, negative=one)) for one in ("green moss", "blue sky")
    )
    change = (first - second).abs().mean(dim=(0, 1))
    inside = torch.from_numpy(square[::8, ::8] > 0)
    assert distance(first, second) >= SENSITIVITY
    assert change[inside].mean() >= factor * change[~inside].mean()


@pytest.mark.parametrize("model", ["plain", "small", "sdxl", "flux-schnell"])
def test_jobs_share_a_step_only_if_all_of_them_avoid_by_place(
    engine: Callable[[str], Ours], model: str
) -> None:
    ours, case = engine(model), CASE.but(scheduler=scheduler_of(model), steps=2)
    top = np.ascontiguousarray(LEFT.T)
    jobs = [
        assignment(case, [Part(LEFT, "moss", negative="sky"), Part(top, "sky")], "jobs/1"),
        assignment(case.but(seed=2), [Part(top, "tree"), Part(LEFT, "moss", negative="house")], "jobs/2"),
        assignment(case.but(seed=3), [Part(LEFT, "moss"), Part(top, "sky")], "jobs/3"),
    ]
    alone = [run(ours, job).current.latents for job in jobs]
    tasks = [ours.family.prepare(job) for job in jobs]
    for task in tasks:
        while task.plan[task.stage_index].kind is not StageKind.DENOISING:
            ours.family.step([task])
    buckets = [ours.family.bucket(task) for task in tasks]
    assert buckets[0] == buckets[1] != buckets[2]
    while tasks[0].plan[tasks[0].stage_index].kind is StageKind.DENOISING:
        ours.family.step(tasks[:2])
    for task, reference in zip(tasks[:2], alone[:2], strict=True):
        assert distance(task.current.latents, reference) <= 5e-5


@pytest.mark.parametrize("model", ["plain", "small"])
def test_what_avoids_looks_at_no_reference(engine: Callable[[str], Ours], model: str, tmp_path: Path) -> None:
    ours, look = engine(model), [Look(build_tiny_reference(tmp_path / "adapter.safetensors"))]

    def made(case: Case, *parts: Part, looks: Sequence[Look] = look) -> torch.Tensor:
        found = run(ours, with_regions(looking(case, looks), parts)).current.latents
        assert found is not None
        return found

    reference = made(CASE.but(negative="green moss"))
    here = Part(EVERYWHERE, CASE.prompt, negative="green moss")
    assert distance(made(CASE, here), reference) <= TOLERANCE
    assert distance(made(CASE, here, looks=[]), reference) >= SENSITIVITY


def test_its_wildcards_are_chosen_apart_from_the_prompts(engine: Callable[[str], Ours]) -> None:
    part = Part(LEFT, "{a|b|c|d|e|f} moss", negative="{a|b|c|d|e|f} moss")
    chosen = set()
    for seed in range(6):
        task = engine("plain").family.prepare(assignment(CASE.but(seed=seed), [part]))
        (region,) = task.resolved.regions
        assert f"The seed chose the negative prompt of region 1 {region.negative_prompt!r}." in task.notes
        chosen.add(region.prompt == region.negative_prompt)
    assert False in chosen


def test_a_model_that_runs_without_guidance_says_that_nothing_is_avoided(
    engine: Callable[[str], Ours],
) -> None:
    case = CASE.but(negative="", scheduler="flow-match-euler")
    task = engine("flux-dev").family.prepare(assignment(case, [Part(LEFT, "moss", negative="sky")]))
    assert any("negative prompt counts for nothing" in note for note in task.notes)
