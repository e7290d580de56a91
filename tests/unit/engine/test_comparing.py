"""A prompt compared with what is around a hole: what counts, and that the job goes on as if asked for it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tiny_loras import write_lora
from tests.unit.engine.stock import Case, Ours
from underpaint.engine.diffusion.comparing import LEVELS, ComparingTask, gain_of
from underpaint.engine.diffusion.job import DiffusionTask
from underpaint.engine.family import Assignment
from underpaint.engine.pixels import Raster
from underpaint.types import MASK_FORMAT, StageKind
from underpaint.worker_v1.worker_service_pb2 import LoraSource

CASE = Case("inpaint", "euler", strength=0.9, steps=5)
LOWER = 0.4
ALWAYS, NEVER = -math.inf, math.inf


def engine(models: Path, name: str, agreement: float | None) -> Ours:
    """A tiny model that compares, as its `underpaint.json` would say."""
    ours = Ours(models / name)
    traits = replace(ours.family._traits, agreement=agreement, wordless_fill_strength=LOWER)
    ours.family._traits = traits
    return ours


def assignment(strength: float, *, compare: bool, mask: np.ndarray | None = None) -> Assignment:
    spec, inputs = CASE.spec(), CASE.inputs()
    spec.inpaint.strength, spec.inpaint.fill_mode, spec.inpaint.compare_prompt = strength, "continue", compare
    spec.inpaint.ClearField("feather_px")
    if mask is not None:
        inputs["blobs/mask"] = Raster.over(mask.tobytes(), MASK_FORMAT, CASE.width, CASE.height)
    return Assignment("jobs/1", spec, inputs)


def run(ours: Ours, given: Assignment) -> DiffusionTask:
    task = ours.family.prepare(given)
    while not task.ready_to_finish:
        ours.family.step([task])
        if task.aside is not None:
            assert isinstance(task, ComparingTask)
            task = task.aside()
    return task


@pytest.mark.parametrize("name", ["plain", "inpaint", "small-inpaint", "sdxl", "sdxl-inpaint"])
@pytest.mark.parametrize(("agreement", "strength"), [(ALWAYS, LOWER), (NEVER, 0.9)])
def test_what_was_compared_goes_on_to_the_byte_as_if_its_strength_had_been_asked_for(
    models: Path, name: str, agreement: float, strength: float
) -> None:
    ours = engine(models, name, agreement)
    compared = run(ours, assignment(0.9, compare=True))
    asked = run(ours, assignment(strength, compare=False))
    for picture, other in zip(ours.family.finish(compared), ours.family.finish(asked), strict=True):
        assert np.array_equal(picture.samples, other.samples)
    assert compared.resolved == asked.resolved, "the record repeats the picture without comparing"
    told = [note for note in compared.notes if "already" in note]
    assert len(told) == (agreement == ALWAYS)
    assert compared.denoiser_calls == asked.denoiser_calls + LEVELS


def test_its_stage_stands_before_the_pictures_own_and_stays_in_the_plan(models: Path) -> None:
    ours = engine(models, "small-inpaint", ALWAYS)
    before = ours.family.prepare(assignment(0.9, compare=True))
    comparing = before.plan[2]
    assert (comparing.kind, comparing.steps) == (StageKind.ENCODING_IMAGE, 1 + LEVELS)
    task = before
    while task is before:
        ours.family.step([task])
        assert task.stage_index < 3 or task.aside is not None
        task = task.aside() if task.aside is not None else task
    assert task.plan[:3] == before.plan[:3] and (task.stage_index, task.stage_step) == (3, 0)
    assert task.plan[3:] == ours.family.prepare(assignment(LOWER, compare=False)).plan[2:]


def test_the_hole_and_the_jobs_seed_count_for_nothing(models: Path) -> None:
    ours = engine(models, "small-inpaint", 0.0)
    gains = []
    for seed in (1, 2):
        given = assignment(0.9, compare=True)
        given.spec.seed = seed
        task = ours.family.prepare(given)
        while task.aside is None:
            ours.family.step([task])
        assert isinstance(task, ComparingTask) and task.known is not None
        gains.append(task.gains)
    assert gains[0] == gains[1] and np.ptp(gains[0]) > 0.0
    mask = task.passes[0].mask
    assert mask is not None
    touched = mask.reshape(8, 8, 8, 8).max(axis=(1, 3)) > 0.0
    assert touched.any() and not touched.all()
    assert np.array_equal(task.known[0, 0].numpy() == 0.0, touched)


def test_a_lora_counts_in_what_is_compared(models: Path, tmp_path: Path) -> None:
    ours = engine(models, "inpaint", 0.0)
    ink = write_lora(tmp_path / "ink.safetensors", models / "inpaint")
    gains = []
    for strength in (0.0, 1.0):
        given = assignment(0.9, compare=True)
        given.spec.loras.add(name="ink", strength=strength, text_encoder_strength=0.0)
        source = LoraSource(name="ink", path=str(ink))
        task = ours.family.prepare(replace(given, loras=(source,)))
        while task.aside is None:
            ours.family.step([task])
        assert isinstance(task, ComparingTask)
        gains.append(task.gains)
    assert not np.allclose(gains[0], gains[1], atol=1e-3)


def test_where_nothing_is_known_nothing_is_compared(models: Path) -> None:
    ours = engine(models, "small-inpaint", ALWAYS)
    everything = np.full((CASE.height, CASE.width), 255, np.uint8)
    task = run(ours, assignment(0.9, compare=True, mask=everything))
    assert task.resolved.inpaint.strength == 0.9


def test_a_lower_strength_than_the_models_stays(models: Path) -> None:
    task = run(engine(models, "small-inpaint", ALWAYS), assignment(0.3, compare=True))
    assert task.resolved.inpaint.strength == pytest.approx(0.3)
    assert not any("already" in note for note in task.notes)


def test_models_that_do_not_ask_for_it_compare_nothing(models: Path) -> None:
    task = engine(models, "inpaint", None).family.prepare(assignment(0.9, compare=True))
    assert not isinstance(task, ComparingTask) and not task.resolved.inpaint.compare_prompt


def test_a_gain_is_the_share_of_the_error_that_a_prompt_takes_away_where_the_picture_is_known() -> None:
    clean = torch.zeros(1, 4, 2, 2)
    known = torch.tensor([[[[1.0, 0.0], [1.0, 1.0]]]])
    without = torch.ones(1, 4, 2, 2)
    told = torch.full((1, 4, 2, 2), 0.5)
    told[..., 0, 1] = 100.0
    assert gain_of(without, told, clean, known) == pytest.approx(0.75)
    assert gain_of(told, without, clean, known) == pytest.approx(-3.0)
    assert gain_of(clean, clean, clean, known) == 0.0
