"""Same seed, same picture as the stock diffusers pipelines with the same files."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from tests.unit.engine.parity_rows import ROWS
from tests.unit.engine.stock import STOCK_SCHEDULERS, Case, Ours, Stock, distance
from underpaint.engine.families.scheduler_names import SCHEDULERS

TOLERANCE = 1e-5
SENSITIVITY = 1e-2

Engines = tuple[Ours, Stock]


@pytest.fixture(scope="module")
def engines(models: Path) -> Callable[[str, str], Engines]:
    ours = lru_cache(None)(lambda model: Ours(models / model))
    stock = lru_cache(None)(lambda model, operation: Stock(models / model, operation))
    return lambda model, operation: (ours(model), stock(model, operation))


def test_every_scheduler_is_compared() -> None:
    assert tuple(STOCK_SCHEDULERS) == SCHEDULERS


def test_every_operation_that_a_model_offers_is_compared(engines: Callable[[str, str], Engines]) -> None:
    for model in {row.model for row in ROWS}:
        ours = engines(model, "inpaint")[0]
        compared = {row.operation for row in ROWS if row.model == model}
        assert compared == set(ours.family._traits.operations), model


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize(("model", "operation", "strength"), ROWS)
def test_latents_and_pictures_are_those_of_the_stock_pipeline(
    engines: Callable[[str, str], Engines], model: str, operation: str, strength: float, scheduler: str
) -> None:
    ours, stock = engines(model, operation)
    case = Case(operation, scheduler, strength=strength)
    task = ours.run(case)
    latents = task.current.latents
    assert latents is not None and task.made is not None
    reference, wanted = stock.both(case)
    assert distance(latents, reference) <= TOLERANCE
    picture = np.rint(task.made * 255).astype(int)
    assert np.abs(picture - wanted.astype(int)).max() <= 1

    others = [case.but(prompt="green moss"), case.but(guidance=9.0), case.but(seed=2)]
    if operation == "inpaint":
        others.append(case.but(mask=12.0))
    for other, moved in zip(others, ours.together(others), strict=True):
        assert distance(moved, reference) >= SENSITIVITY, other


@pytest.mark.parametrize(
    ("model", "operation"),
    [("small", "txt2img"), ("small", "img2img"), ("small", "inpaint")],
)
@pytest.mark.parametrize("scheduler", ["ddim", "dpmpp-2m", "euler-a"])
def test_v_prediction_pooled_text_and_the_tiny_autoencoder_agree_too(
    engines: Callable[[str, str], Engines], model: str, operation: str, scheduler: str
) -> None:
    ours, stock = engines(model, operation)
    case = Case(operation, scheduler)
    reference = stock.both(case)[0]
    assert distance(ours.latents(case), reference) <= TOLERANCE
    for other in (case.but(prompt="green moss"), case.but(seed=2), case.but(guidance=9.0)):
        assert distance(ours.latents(other), reference) >= SENSITIVITY, other


@pytest.mark.parametrize("operation", ["txt2img", "img2img"])
def test_embedded_guidance_agrees_too(engines: Callable[[str, str], Engines], operation: str) -> None:
    ours, stock = engines("distilled", operation)
    case = Case(operation, "lcm")
    reference = stock.both(case)[0]
    assert distance(ours.latents(case), reference) <= TOLERANCE
    assert distance(ours.latents(case.but(seed=2)), reference) >= SENSITIVITY
    # One forward pass a step: nothing multiplies what the prompt and the scale change in a tiny network.
    for other in (case.but(prompt="green moss"), case.but(guidance=9.0)):
        assert distance(ours.latents(other), reference) >= SENSITIVITY / 10, other


@pytest.mark.parametrize("operation", ["txt2img", "img2img", "inpaint"])
@pytest.mark.parametrize("model", ["plain", "sdxl"])
def test_without_guidance_it_agrees_too(
    engines: Callable[[str, str], Engines], model: str, operation: str
) -> None:
    ours, stock = engines(model, operation)
    case = Case(operation, guidance=1.0)
    reference = stock.both(case)[0]
    assert distance(ours.latents(case), reference) <= TOLERANCE
    assert distance(ours.latents(case.but(negative="sky")), reference) <= TOLERANCE
    assert distance(ours.latents(case.but(guidance=9.0)), reference) >= SENSITIVITY


@pytest.mark.parametrize("steps", [1, 2, 9])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("model", ["plain", "sdxl"])
def test_few_and_many_steps_agree(
    engines: Callable[[str, str], Engines], model: str, steps: int, scheduler: str
) -> None:
    ours, stock = engines(model, "txt2img")
    case = Case("txt2img", scheduler, steps=steps)
    assert distance(ours.latents(case), stock.both(case)[0]) <= TOLERANCE


@pytest.mark.parametrize(
    ("model", "operation"),
    [
        ("sdxl", "txt2img"),
        ("sdxl", "img2img"),
        ("sdxl", "inpaint"),
        ("sdxl-refiner", "img2img"),
        ("sdxl-refiner", "inpaint"),
    ],
)
def test_a_size_that_is_no_square_is_told_as_stock_tells_it(
    engines: Callable[[str, str], Engines], model: str, operation: str
) -> None:
    ours, stock = engines(model, operation)
    case = Case(operation, "euler", width=48, height=80)
    assert distance(ours.latents(case), stock.both(case)[0]) <= TOLERANCE


@pytest.mark.parametrize(("model", "zeros"), [("sdxl", True), ("sdxl-refiner", False)])
def test_an_empty_negative_prompt_is_zeros_where_the_model_says_so(
    engines: Callable[[str, str], Engines], model: str, zeros: bool
) -> None:
    ours, stock = engines(model, "img2img")
    case = Case("img2img", "euler", negative="")
    task = ours.run(case)
    assert task.negative is not None and task.current.latents is not None
    assert bool((task.negative.hidden == 0).all()) == zeros
    assert distance(task.current.latents, stock.both(case)[0]) <= TOLERANCE
