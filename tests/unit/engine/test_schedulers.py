from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.tiny_models import build_tiny
from underpaint.engine.families.scheduler_names import SCHEDULERS
from underpaint.engine.schedulers import Sampler, make_scheduler
from underpaint.errors import InvalidRequest


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = build_tiny(tmp_path_factory.mktemp("m"))
    return dict(json.loads((folder / "scheduler" / "scheduler_config.json").read_text()))


def sampler(name: str, config: dict[str, object], steps: int, strength: float | None = None) -> Sampler:
    return Sampler(name, config, steps, torch.Generator().manual_seed(0), strength)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_each_keeps_the_models_own_noise_schedule(name: str, config: dict[str, object]) -> None:
    made = make_scheduler(name, {**config, "prediction_type": "v_prediction", "beta_end": 0.02})
    assert made.config.prediction_type == "v_prediction"
    assert made.config.beta_end == 0.02


def test_an_unknown_name_lists_the_known_ones(config: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest, match="dpmpp-2m") as caught:
        make_scheduler("magic", config)
    assert caught.value.violations[0].field == "spec.scheduler"


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize(("strength", "left"), [(1.0, 10), (0.75, 7), (0.4, 4), (0.01, 1)])
def test_strength_skips_the_first_steps_but_never_all(
    name: str, strength: float, left: int, config: dict[str, object]
) -> None:
    steps = len(sampler(name, config, 10, strength))
    # Heun calls the denoiser twice a step, but for the last one; a begin in the middle is in pairs too.
    assert steps == (2 * left - 1 if name == "heun" else left)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_noise_shrinks_with_every_step_and_is_gone_at_the_end(name: str, config: dict[str, object]) -> None:
    path = sampler(name, config, 6, 0.8)
    clean, noise = torch.zeros(1, 4, 4, 4), torch.ones(1, 4, 4, 4)
    latents, levels = path.noised(clean, noise), []
    while not path.finished:
        levels.append(float(path.noised(clean, noise).mean()))
        latents = path.step(torch.zeros_like(latents), latents)
    assert levels == sorted(levels, reverse=True) and levels[0] > 1.3 * levels[-1]
    assert path.noised(clean, noise) is clean


@pytest.mark.parametrize(("name", "steps"), [("ddim", 1000), ("lcm", 200)])
def test_more_steps_than_a_scheduler_takes_are_refused(
    name: str, steps: int, config: dict[str, object]
) -> None:
    with pytest.raises(InvalidRequest, match="fewer steps") as caught:
        sampler(name, config, steps)
    assert caught.value.violations[0].field == "spec.steps"


@pytest.mark.parametrize("name", ["ddim", "euler", "heun"])
@pytest.mark.parametrize("strength", [None, 0.7])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_two_parts_after_one_another_are_the_whole_way(
    name: str, strength: float | None, share: float, config: dict[str, object]
) -> None:
    def part(start: float, end: float) -> Sampler:
        generator = torch.Generator().manual_seed(0)
        return Sampler(name, config, 10, generator, strength, (start, end))

    def run(latents: torch.Tensor, *paths: Sampler) -> torch.Tensor:
        for path in paths:
            while not path.finished:
                latents = path.step(path.scale(latents).tanh() + path.timestep / 1000, latents)
        return latents

    start = torch.linspace(-2, 2, 64).reshape(1, 4, 4, 4)
    first, second = part(0.0, share), part(share, 1.0)
    whole = part(0.0, 1.0)
    assert len(first) + len(second) == len(whole) and len(second)
    assert torch.allclose(run(start, first, second), run(start, whole), atol=1e-5)


def test_the_same_seed_repeats_a_stochastic_path(config: dict[str, object], tmp_path: Path) -> None:
    def run(seed: int) -> torch.Tensor:
        path = Sampler("dpmpp-sde-karras", config, 4, torch.Generator().manual_seed(seed))
        latents = torch.ones(1, 4, 4, 4)
        while not path.finished:
            latents = path.step(latents * 0.1, latents)
        return latents

    assert torch.equal(run(3), run(3)) and not torch.equal(run(3), run(4))
