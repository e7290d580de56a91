"""Any 64-bit seed is a picture of its own, the same alone or beside others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.engine.stock import Case, Ours, Stock, distance

# torch's generator looks at the lower 32 bits only, here as in the stock pipelines: these differ in them.
SEEDS = (0, 1, 2**31 + 5, 2**63 + 7, 2**64 - 1)


@pytest.mark.parametrize("scheduler", ["ddim", "euler-a"])
def test_any_seed_paints_the_same_alone_or_in_a_batch(models: Path, scheduler: str) -> None:
    ours = Ours(models / "plain")
    cases = [Case("txt2img", scheduler, seed=seed, steps=3) for seed in SEEDS]
    alone = [ours.latents(case) for case in cases]
    for single, beside in zip(alone, ours.together(cases), strict=True):
        assert distance(beside, single) <= 5e-5
    for one, other in ((0, 1), (0, 4), (1, 2), (2, 3), (3, 4)):
        assert distance(alone[one], alone[other]) >= 1e-2


@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_the_ends_of_the_range_are_stocks_pictures(models: Path, seed: int) -> None:
    case = Case("txt2img", "euler-a", seed=seed, steps=3)
    reference = Stock(models / "plain", "txt2img").both(case)[0]
    assert distance(Ours(models / "plain").latents(case), reference) <= 1e-5
