"""FLUX.1: same seed, same picture as the stock diffusers pipelines with the same files."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from tests.unit.engine.flux_stock import FluxStock
from tests.unit.engine.parity_rows import FLOW_ROWS
from tests.unit.engine.stock import Case, Ours, distance

TOLERANCE = 1e-5
SENSITIVITY = 1e-2

Engines = tuple[Ours, FluxStock]


@pytest.fixture(scope="module")
def engines(models: Path) -> Callable[[str, str], Engines]:
    ours = lru_cache(None)(lambda model: Ours(models / model))
    stock = lru_cache(None)(lambda model, operation: FluxStock(models / model, operation))
    return lambda model, operation: (ours(model), stock(model, operation))


def case_of(operation: str, strength: float = 0.7, **more: object) -> Case:
    return Case(operation, "flow-match-euler", negative="", strength=strength).but(**more)


def test_every_operation_that_a_model_offers_is_compared(models: Path) -> None:
    for model in {row.model for row in FLOW_ROWS}:
        compared = {row.operation for row in FLOW_ROWS if row.model == model}
        assert compared == set(Ours(models / model).family._traits.operations), model


@pytest.mark.parametrize(("model", "operation", "strength"), FLOW_ROWS)
def test_latents_and_pictures_are_those_of_the_stock_pipeline(
    engines: Callable[[str, str], Engines], model: str, operation: str, strength: float
) -> None:
    ours, stock = engines(model, operation)
    case = case_of(operation, strength)
    task = ours.run(case)
    latents = task.current.latents
    assert latents is not None and task.made is not None
    reference, wanted = stock.both(case)
    assert distance(latents, reference) <= TOLERANCE
    assert np.abs(np.rint(task.made * 255).astype(int) - wanted.astype(int)).max() <= 1

    others = [case.but(prompt="green moss"), case.but(seed=2)]
    if ours.family._parts.guidance_embedded:
        others.append(case.but(guidance=9.0))
    if operation == "inpaint":
        others.append(case.but(mask=12.0))
    for other, moved in zip(others, ours.together(others), strict=True):
        assert distance(moved, reference) >= SENSITIVITY, other


@pytest.mark.parametrize("operation", ["txt2img", "img2img", "inpaint"])
def test_a_negative_prompt_is_stocks_true_guidance_where_none_is_built_in(
    engines: Callable[[str, str], Engines], operation: str
) -> None:
    ours, stock = engines("flux-schnell", operation)
    case = case_of(operation, negative="water")
    task = ours.run(case)
    latents = task.current.latents
    assert latents is not None and not task.notes
    assert distance(latents, stock.both(case)[0]) <= TOLERANCE
    for other in (case.but(negative="sky"), case.but(guidance=9.0), case.but(negative="")):
        assert distance(ours.latents(other), latents) >= SENSITIVITY, other


@pytest.mark.parametrize("steps", [1, 2, 9])
@pytest.mark.parametrize(
    ("model", "operation"),
    [("flux-dev", "txt2img"), ("flux-schnell", "img2img"), ("flux-fill", "inpaint")],
)
def test_few_and_many_steps_agree(
    engines: Callable[[str, str], Engines], model: str, operation: str, steps: int
) -> None:
    ours, stock = engines(model, operation)
    case = case_of(operation, steps=steps, strength=1.0)
    assert distance(ours.latents(case), stock.both(case)[0]) <= TOLERANCE


@pytest.mark.parametrize("strength", [0.3, 0.5, 0.55, 0.9])
def test_any_strength_starts_where_stock_starts(
    engines: Callable[[str, str], Engines], strength: float
) -> None:
    ours, stock = engines("flux-dev", "img2img")
    case = case_of("img2img", strength, steps=7)
    assert distance(ours.latents(case), stock.both(case)[0]) <= TOLERANCE


@pytest.mark.parametrize(
    ("model", "operation"),
    [("flux-dev", "txt2img"), ("flux-dev", "inpaint"), ("flux-fill", "inpaint"), ("flux-kontext", "edit")],
)
@pytest.mark.parametrize(("width", "height"), [(48, 80), (96, 64)])
def test_a_size_that_is_no_square_has_its_own_places_and_shift(
    engines: Callable[[str, str], Engines], model: str, operation: str, width: int, height: int
) -> None:
    ours, stock = engines(model, operation)
    case = case_of(operation, width=width, height=height)
    assert distance(ours.latents(case), stock.both(case)[0]) <= TOLERANCE


@pytest.mark.parametrize(("model", "words"), [("flux-dev", 700), ("flux-schnell", 300)])
def test_a_long_prompt_is_cut_where_stock_cuts_it_and_the_user_is_told(
    engines: Callable[[str, str], Engines], model: str, words: int
) -> None:
    ours, stock = engines(model, "txt2img")
    limit = {"flux-dev": 512, "flux-schnell": 256}[model]
    case = case_of("txt2img", prompt=" ".join(["old"] * (words - 1) + ["moss"]), steps=1)
    task = ours.run(case)
    assert task.text is not None and task.text.hidden.shape[1] == limit
    assert task.current.latents is not None
    assert distance(task.current.latents, stock.both(case)[0]) <= TOLERANCE
    assert "did not read" in task.notes[0]
    # One place is the end mark's.
    assert task.text.dropped.split() == ["old"] * (words - limit) + ["moss"]
