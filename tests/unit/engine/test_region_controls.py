"""Control nets of a picture with regions: each part is read with the words that are painted there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tiny_flux import build_tiny_flux_control
from tests.tiny_models import build_tiny_control, build_tiny_union
from tests.unit.engine.stock import Case, Ours, distance
from tests.unit.engine.test_control_parity import Steer
from tests.unit.engine.test_control_parity import assignment as steering
from tests.unit.engine.test_flux_control_parity import Net
from tests.unit.engine.test_flux_control_parity import assignment as flux_steering
from tests.unit.engine.test_regions import (
    CASE,
    EVERYWHERE,
    LEFT,
    SENSITIVITY,
    TOLERANCE,
    Part,
    run,
    scheduler_of,
    with_regions,
)
from tests.unit.engine.test_union_parity import Mode
from tests.unit.engine.test_union_parity import assignment as union_steering
from underpaint.engine.controls.nets import ControlNets
from underpaint.engine.controls.unions import UnionNets
from underpaint.engine.family import Assignment
from underpaint.types import StageKind


@pytest.fixture(scope="module")
def engine(models: Path) -> Callable[[str], Ours]:
    return lru_cache(None)(lambda model: Ours(models / model))


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("nets")
    return {
        "net": build_tiny_control(root / "net"),
        "pooled": build_tiny_control(root / "pooled", seed=2, pooled_text=True),
        "xl": build_tiny_control(root / "xl", kind="sdxl", seed=4),
        "xl union": build_tiny_union(root / "union"),
        "flux": build_tiny_flux_control(root / "flux"),
        "flux union": build_tiny_flux_control(root / "flux-union", modes=3),
    }


KINDS = [
    ("plain", "net"),
    ("small", "pooled"),
    ("sdxl", "xl"),
    ("sdxl", "xl union"),
    ("flux-dev", "flux"),
    ("flux-dev", "flux union"),
]


def steered(case: Case, nets: dict[str, Path], net: str, strength: float = 1.0) -> Assignment:
    """A case that keeps to a picture through a net."""
    if net.startswith("flux"):
        return flux_steering(case, [Net(nets[net], strength=strength)])
    if net == "xl union":
        return union_steering(case, [Mode(nets[net], strength=strength)])
    return steering(case, [Steer(nets[net], strength=strength)])


def deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has nets read the main prompt everywhere."""
    for kind in (ControlNets, UnionNets):
        told = kind.residuals

        def alone(self: Any, jobs: Any, size: Any, inputs: Any, tiling: Any, _: Any, told: Any = told) -> Any:
            return told(self, jobs, size, inputs, tiling)

        monkeypatch.setattr(kind, "residuals", alone)
    monkeypatch.setattr("underpaint.engine.flux.nets.telling", lambda *_, **__: nullcontext())


@pytest.mark.parametrize(("model", "net"), KINDS)
def test_a_net_reads_a_region_over_everything_as_it_reads_a_prompt(
    engine: Callable[[str], Ours],
    nets: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    model: str,
    net: str,
) -> None:
    ours, case = engine(model), CASE.but(scheduler=scheduler_of(model), steps=3)
    part = Part(EVERYWHERE, "green moss", negative="blue sky")

    def painted(one: Case, *parts: Part) -> torch.Tensor:
        found = run(ours, with_regions(steered(one, nets, net, 2.0), parts)).current.latents
        assert found is not None
        return found

    reference = painted(case.but(prompt="green moss", negative="blue sky"))
    assert distance(painted(case, part), reference) <= TOLERANCE
    unsteered = run(ours, with_regions(steered(case, nets, net, 0.0), [part])).current.latents
    assert unsteered is not None and distance(unsteered, reference) >= SENSITIVITY
    if model != "small":
        # Asked once for each prompt, a net cannot but read each.
        deaf(monkeypatch)
        assert distance(painted(case, part), reference) >= 10 * TOLERANCE


@pytest.mark.parametrize(("model", "net"), [row for row in KINDS if row[0] in ("plain", "sdxl")])
def test_what_a_net_says_of_a_region_changes_there_with_its_words(
    engine: Callable[[str], Ours], nets: dict[str, Path], model: str, net: str
) -> None:
    ours, case = engine(model), CASE.but(scheduler=scheduler_of(model), steps=1)
    unet, _ = ours.family._parts.network
    said: list[torch.Tensor] = []
    hook = unet.register_forward_pre_hook(
        lambda _, args, kwargs: said.append(kwargs["down_block_additional_residuals"][-1]), with_kwargs=True
    )
    for prompt in ("green moss", "blue sky"):
        run(ours, with_regions(steered(case, nets, net), [Part(LEFT, prompt)]))
    hook.remove()
    change = (said[1] - said[0])[1].abs().mean(dim=0)
    half = change.shape[1] // 2
    assert change[:, :half].mean() > 0.0
    assert change[:, :half].mean() >= 2.0 * change[:, half:].mean()


@pytest.mark.parametrize(("model", "net"), KINDS)
def test_jobs_with_nets_and_regions_in_one_step_equal_the_same_jobs_alone(
    engine: Callable[[str], Ours], nets: dict[str, Path], model: str, net: str
) -> None:
    ours, case = engine(model), CASE.but(scheduler=scheduler_of(model), steps=2)
    jobs = [
        with_regions(steered(case, nets, net), [Part(LEFT, "green moss")]),
        with_regions(steered(case.but(seed=2, prompt="red house"), nets, net), [Part(LEFT.T.copy(), "sky")]),
    ]
    alone = [run(ours, job).current.latents for job in jobs]
    tasks = [ours.family.prepare(job) for job in jobs]
    for task in tasks:
        while task.plan[task.stage_index].kind is not StageKind.DENOISING:
            ours.family.step([task])
    assert len({ours.family.bucket(task) for task in tasks}) == 1
    while tasks[0].plan[tasks[0].stage_index].kind is StageKind.DENOISING:
        ours.family.step(tasks)
    for task, reference in zip(tasks, alone, strict=True):
        assert distance(task.current.latents, reference) <= 5e-5


@pytest.mark.parametrize(("model", "net"), KINDS)
def test_nothing_of_a_region_is_left_in_a_net(
    engine: Callable[[str], Ours], nets: dict[str, Path], model: str, net: str
) -> None:
    ours, case = engine(model), CASE.but(scheduler=scheduler_of(model), steps=1)
    before = run(ours, steered(case, nets, net)).current.latents
    run(ours, with_regions(steered(case, nets, net), [Part(LEFT, "green moss")]))
    after = run(ours, steered(case, nets, net)).current.latents
    assert before is not None and after is not None and torch.equal(before, after)
