"""What regions add to a step: to the batch, to a transformer's sequence, to what may be painted at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pytest

from tests.unit.engine.stock import Case, Ours
from tests.unit.engine.test_regions import CASE, LEFT, NOTHING, Part, assignment, scheduler_of
from underpaint.engine.controls.plan import PlannedControl
from underpaint.engine.diffusion.extent import READING_SHARE, extent_of
from underpaint.engine.diffusion.job import DiffusionTask
from underpaint.types import StageKind
from underpaint.weights import kinds

TWO = (Part(LEFT, "moss"), Part(LEFT.T.copy(), "sky"))
AVOIDING = (replace(TWO[0], negative="dry"), TWO[1])
TOKENS = 64 * 64 // 16**2
"""Of a transformer for the picture of `CASE`, in patches of two cells of eight pixels."""


@pytest.fixture(scope="module")
def engine(models: Path) -> Callable[[str], Ours]:
    return lru_cache(None)(lambda model: Ours(models / model))


def planned(ours: Ours, model: str, *parts: Part, **changes: object) -> DiffusionTask:
    return ours.family.prepare(assignment(CASE.but(scheduler=scheduler_of(model), **changes), parts))


@pytest.mark.parametrize(
    ("model", "parts", "guidance", "rows", "work"),
    [
        ("small", (), 5.0, 2, 1.0),
        ("small", TWO, 5.0, 4, 2.0),
        ("small", TWO, 1.0, 3, 3.0),
        ("small", AVOIDING, 5.0, 6, 3.0),
        ("small", (Part(NOTHING, "moss"),), 5.0, 2, 1.0),
        ("plain", (), 5.0, 2, 1.0),
        ("plain", AVOIDING, 5.0, 2, 1.0 + 2 * READING_SHARE),
        ("flux-dev", (), 5.0, 1, 1.0),
        ("flux-dev", TWO, 5.0, 1, (3 * 512 + TOKENS) / (512 + TOKENS)),
    ],
)
def test_a_region_is_a_row_a_text_to_read_or_a_longer_sequence(
    engine: Callable[[str], Ours],
    model: str,
    parts: tuple[Part, ...],
    guidance: float,
    rows: int,
    work: float,
) -> None:
    ours = engine(model)
    found = extent_of(planned(ours, model, *parts, guidance=guidance), ours.family._parts)
    assert (found.rows, found.work) == (rows, pytest.approx(work))


def test_the_rows_are_those_of_the_denoisers_call(engine: Callable[[str], Ours]) -> None:
    ours = engine("small")
    unet, _ = ours.family._parts.network
    seen: list[int] = []
    hook = unet.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(len(kwargs["sample"])), with_kwargs=True
    )
    for parts in ((), TWO, AVOIDING):
        task = planned(ours, "small", *parts, steps=1)
        while not task.ready_to_finish:
            ours.family.step([task])
        assert seen.pop() == extent_of(task, ours.family._parts).rows
    hook.remove()


def test_fewer_jobs_with_regions_are_painted_at_once_and_more_memory_is_kept_free(
    engine: Callable[[str], Ours],
) -> None:
    for model in ("small", "flux-dev"):
        ours = engine(model)
        bare, regional = (planned(ours, model, *parts, width=256, height=256) for parts in ((), TWO))
        for task in (bare, regional):
            task.pass_index = len(task.passes) - 1
        assert ours.family.batch_limit(regional) <= ours.family.batch_limit(bare) // 2
        needs = []
        for task in (bare, regional):
            while task.plan[task.stage_index].kind is not StageKind.DENOISING:
                task.stage_index += 1
            needs.append(ours.family.needs([task]).bytes)
        assert needs[1] >= 1.9 * needs[0]


def test_pictures_that_are_looked_at_are_read_beside(engine: Callable[[str], Ours]) -> None:
    ours = engine("flux-kontext")
    case = Case("edit", "flow-match-euler")
    shown = extent_of(ours.prepare(case), ours.family._parts)
    assert (shown.pictures, shown.biased, shown.tokens(64)) == (2, False, 2 * 16 + 512)
    task = engine("flux-dev").prepare(Case("txt2img", "flow-match-euler"))
    reference = PlannedControl(Path("redux"), {}, None, 1.0, 0.0, 1.0, kinds.REDUX)
    task.controls = (reference, replace(reference, masks={}))
    told = extent_of(task, engine("flux-dev").family._parts)
    assert (told.words, told.pictures, told.biased) == (512 + 2 * 729, 1, True)
