"""What a person sets of a scheduler does what diffusers does with the same setting."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

from tests.unit.engine.flux_stock import FluxStock
from tests.unit.engine.stock import STOCK_SCHEDULERS, Case, Ours, Stock, distance
from underpaint.engine.families.scheduler_names import FLOW_SCHEDULERS, SCHEDULERS
from underpaint.engine.families.scheduler_parameters import described
from underpaint.engine.family import Assignment
from underpaint.engine.schedulers import make_scheduler, overrides

TOLERANCE = 1e-5
SENSITIVITY = 1e-2


class EtaDDIM(diffusers.DDIMScheduler):
    """DDIM whose `eta` nobody can set to anything else."""

    def step(self, model_output: Any, timestep: Any, sample: Any, generator: Any = None, **more: Any) -> Any:
        return super().step(model_output, timestep, sample, eta=0.7, generator=generator, **more)


class ChurningEuler(diffusers.EulerDiscreteScheduler):
    """Euler with churn."""

    def step(self, model_output: Any, timestep: Any, sample: Any, generator: Any = None, **more: Any) -> Any:
        churn = {"s_churn": 1.5, "s_noise": 1.05}
        return super().step(model_output, timestep, sample, generator=generator, **churn, **more)


@pytest.fixture(scope="module")
def ours(models: Path) -> Ours:
    return Ours(models / "plain")


@pytest.fixture(scope="module")
def stock(models: Path) -> Any:
    return lru_cache(None)(lambda operation: Stock(models / "plain", operation))


def latents(ours: Ours, case: Case, parameters: Mapping[str, float]) -> torch.Tensor:
    spec = case.spec()
    spec.scheduler_parameters.update(parameters)
    task = ours.family.prepare(Assignment("jobs/1", spec, case.inputs()))
    while not task.ready_to_finish:
        ours.family.step([task])
    assert task.current.latents is not None
    return task.current.latents


@pytest.mark.parametrize("operation", ["txt2img", "img2img"])
@pytest.mark.parametrize(
    ("scheduler", "parameters", "theirs"),
    [
        ("ddim", {"eta": 0.7}, (EtaDDIM, {})),
        ("ddim", {"trailing": 1}, (diffusers.DDIMScheduler, {"timestep_spacing": "trailing"})),
        ("euler", {"karras": 1}, (diffusers.EulerDiscreteScheduler, {"use_karras_sigmas": True})),
        ("euler", {"trailing": 1}, (diffusers.EulerDiscreteScheduler, {"timestep_spacing": "trailing"})),
        ("euler", {"churn": 1.5, "churn_noise": 1.05}, (ChurningEuler, {})),
        ("euler-a", {"trailing": 1}, None),
        ("dpmpp-2m", {"order": 3}, (diffusers.DPMSolverMultistepScheduler, {"solver_order": 3})),
        ("unipc", {"order": 1, "karras": 1}, None),
        ("heun", {"karras": 1}, (diffusers.HeunDiscreteScheduler, {"use_karras_sigmas": True})),
        ("lcm", {"original_steps": 30}, (diffusers.LCMScheduler, {"original_inference_steps": 30})),
    ],
)
def test_a_parameter_paints_what_diffusers_paints_with_it(
    ours: Ours,
    stock: Any,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    scheduler: str,
    parameters: dict[str, float],
    theirs: tuple[type[Any], dict[str, Any]] | None,
) -> None:
    case = Case(operation, scheduler, steps=10)
    without = latents(ours, case, {})
    painted = latents(ours, case, parameters)
    if theirs is None:
        names = {
            "trailing": {"timestep_spacing": "trailing"},
            "zero_snr": {"rescale_betas_zero_snr": True},
            "karras": {"use_karras_sigmas": True},
            "order": {"solver_order": parameters.get("order")},
        }
        more = {key: value for name in parameters for key, value in names[name].items()}
        theirs = (STOCK_SCHEDULERS[scheduler][0], more)
    monkeypatch.setitem(STOCK_SCHEDULERS, scheduler, theirs)
    assert distance(painted, stock(operation).both(case)[0]) <= TOLERANCE
    # Where steps stand, and how many are looked back on, moves a tiny network less than words do.
    assert distance(painted, without) >= SENSITIVITY / 4


def test_flow_matching_takes_a_shift(models: Path) -> None:
    ours, stock = Ours(models / "flux-dev"), FluxStock(models / "flux-dev", "txt2img")
    case = Case("txt2img", "flow-match-euler", negative="", steps=4)
    painted = latents(ours, case, {"shift": 5.0})
    config = {**stock.pipeline.scheduler.config, "shift": 5.0, "use_dynamic_shifting": False}
    stock.pipeline.scheduler = diffusers.FlowMatchEulerDiscreteScheduler.from_config(config)
    assert distance(painted, stock.both(case)[0]) <= TOLERANCE
    assert distance(painted, latents(ours, case, {})) >= SENSITIVITY
    heun = case.but(scheduler="flow-match-heun")
    assert distance(latents(ours, heun, {"shift": 5.0}), latents(ours, heun, {})) >= SENSITIVITY


@pytest.mark.parametrize("name", SCHEDULERS)
def test_everything_that_is_described_is_obeyed_and_its_defaults_change_nothing(
    ours: Ours, name: str
) -> None:
    (info,) = described([name])
    case = Case("txt2img", name, steps=4)
    defaults = {one.name: one.default for one in info.parameters}
    assert distance(latents(ours, case, defaults), latents(ours, case, {})) == 0.0
    config = ours.family._parts.scheduler_config
    accepted = set(make_scheduler(name, config).config)
    for parameter in info.parameters:
        set_so = overrides({parameter.name: parameter.maximum})
        assert set(set_so) <= accepted, parameter.name
        assert set_so or parameter.name in ("eta", "churn", "churn_noise"), parameter.name


def test_every_scheduler_is_described_under_its_own_name() -> None:
    names = (*SCHEDULERS, *FLOW_SCHEDULERS)
    assert [info.name for info in described(names)] == list(names)
    assert all(info.title and info.parameters for info in described(names))
