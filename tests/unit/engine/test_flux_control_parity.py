"""FLUX.1 with control nets: same seed, same picture as the stock pipelines; and what masks do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from tests.tiny_flux import build_tiny_flux_control
from tests.unit.engine.stepping import counted_and_equal, run_together
from tests.unit.engine.stock import Case, Ours, disc, distance, photo
from tests.unit.engine.test_control_parity import Steer, run
from tests.unit.engine.test_control_parity import assignment as controlled
from underpaint.engine.family import Assignment
from underpaint.engine.flux.denoise import denoiser_inputs
from underpaint.engine.pixels import Raster
from underpaint.types import MASK_FORMAT, StageKind

TOLERANCE = 1e-5
SENSITIVITY = 1e-2
PIPELINES = {
    "txt2img": diffusers.FluxControlNetPipeline,
    "img2img": diffusers.FluxControlNetImg2ImgPipeline,
    "inpaint": diffusers.FluxControlNetInpaintPipeline,
}
CASE = Case("txt2img", "flow-match-euler", negative="")


@dataclass(frozen=True)
class Net(Steer):
    """One control: in a role, which union nets number, and where it counts."""

    role: str = "canny"
    number: int | None = None
    mask: np.ndarray | None = None


def assignment(case: Case, steers: Sequence[Net], job: str = "jobs/1") -> Assignment:
    found = controlled(case, steers, job)
    inputs = dict(found.inputs)
    for index, one in enumerate(steers):
        found.spec.controls[index].role = one.role
        if one.mask is not None:
            blob = found.spec.controls[index].mask.blob = f"blobs/where-{index}"
            inputs[blob] = Raster.over(one.mask.tobytes(), MASK_FORMAT, 64, 64)
    return replace(found, inputs=inputs)


def latents(ours: Ours, case: Case, steers: Sequence[Net]) -> torch.Tensor:
    found = run(ours, assignment(case, steers)).current.latents
    assert found is not None
    return found


@lru_cache(None)
def _net(folder: Path) -> Any:
    return diffusers.FluxControlNetModel.from_pretrained(folder)


def stock(model: Path, case: Case, steers: Sequence[Net]) -> torch.Tensor:
    """The last latents of the stock pipeline, unpacked."""
    nets = [_net(one.net) for one in steers]
    several = len(nets) > 1
    joined = diffusers.FluxMultiControlNetModel(nets) if several else nets[0]
    kind: Any = PIPELINES[case.operation]
    pipeline = kind.from_pretrained(model, controlnet=joined)
    pipeline.set_progress_bar_config(disable=True)
    embedded = bool(pipeline.transformer.config.guidance_embeds)

    def each(values: list[Any]) -> Any:
        return values if several else values[0]

    more: dict[str, Any] = {}
    if case.operation != "txt2img":
        more |= {"image": Image.fromarray(photo()), "strength": case.strength}
    if case.operation == "inpaint":
        more["mask_image"] = Image.fromarray(disc(radius=case.mask))
    if not embedded and case.negative:
        more |= {"negative_prompt": case.negative, "true_cfg_scale": case.guidance}
    # Several nets are lost without a list of modes, except from words.
    if any(one.number is not None for one in steers) or (several and case.operation != "txt2img"):
        more["control_mode"] = each([one.number for one in steers])
    seen: list[torch.Tensor] = []

    def keep(_pipeline: Any, _step: int, _time: Any, values: dict[str, Any]) -> dict[str, Any]:
        seen.append(values["latents"])
        return {}

    pipeline(
        prompt=case.prompt,
        control_image=each([Image.fromarray(one.pixels()) for one in steers]),
        controlnet_conditioning_scale=each([one.strength for one in steers]),
        control_guidance_start=each([one.start for one in steers]),
        control_guidance_end=each([one.end for one in steers]),
        width=64,
        height=64,
        num_inference_steps=case.steps,
        guidance_scale=case.guidance,
        generator=torch.Generator().manual_seed(case.seed),
        callback_on_step_end=keep,
        max_sequence_length=512 if embedded else 256,
        **more,
    )
    found: torch.Tensor = pipeline._unpack_latents(seen[-1], 64, 64, pipeline.vae_scale_factor)
    return found


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("nets")
    return {
        "a": build_tiny_flux_control(root / "a"),
        "b": build_tiny_flux_control(root / "b", seed=1),
        "unguided": build_tiny_flux_control(root / "unguided", seed=2, guided=False),
        "union": build_tiny_flux_control(root / "union", seed=3, modes=5),
        "hint": build_tiny_flux_control(root / "hint", seed=4, hint=True),
    }


@pytest.fixture(scope="module")
def engine(models: Path) -> Callable[[str], Ours]:
    return lru_cache(None)(lambda model: Ours(models / model))


@pytest.mark.parametrize("names", [("a",), ("a", "b"), ("unguided",), ("hint",)], ids="+".join)
def test_latents_are_those_of_the_stock_control_net_pipeline(
    models: Path, nets: dict[str, Path], engine: Callable[[str], Ours], names: tuple[str, ...]
) -> None:
    ours = engine("flux-dev")
    steers = [Net(nets[name], 5 + index, 0.8 - 0.4 * index) for index, name in enumerate(names)]
    reference = stock(models / "flux-dev", CASE, steers)
    assert distance(latents(ours, CASE, steers), reference) <= TOLERANCE

    first, rest = steers[0], steers[1:]
    for other in (
        rest,
        [replace(first, picture=9), *rest],
        [replace(first, strength=1.6), *rest],
        [replace(first, net=nets["b" if names[0] == "a" else "a"]), *rest],
    ):
        assert distance(latents(ours, CASE, other), reference) >= SENSITIVITY, other
    for changed in (CASE.but(prompt="green moss"), CASE.but(seed=2), CASE.but(guidance=20.0)):
        assert distance(latents(ours, changed, steers), reference) >= SENSITIVITY, changed


def test_a_union_net_takes_the_mode_of_its_role(
    models: Path, nets: dict[str, Path], engine: Callable[[str], Ours]
) -> None:
    ours = engine("flux-dev")
    depth, canny = Net(nets["union"], 5, 0.7, role="depth", number=2), Net(nets["union"], 6, 0.4, number=0)
    for steers in ([depth], [depth, canny]):
        reference = stock(models / "flux-dev", CASE, steers)
        assert distance(latents(ours, CASE, steers), reference) <= TOLERANCE
        other = [replace(depth, role="pose"), *steers[1:]]
        assert distance(latents(ours, CASE, other), reference) >= SENSITIVITY


@pytest.mark.parametrize("names", [("a",), ("a", "b"), ("union",)], ids="+".join)
@pytest.mark.parametrize("operation", ["img2img", "inpaint"])
def test_other_operations_agree_with_theirs(
    models: Path,
    nets: dict[str, Path],
    engine: Callable[[str], Ours],
    operation: str,
    names: tuple[str, ...],
) -> None:
    case, mode = CASE.but(operation=operation), 0 if "union" in names else None
    steers = [Net(nets[name], 5 + index, 0.8, number=mode) for index, name in enumerate(names)]
    reference = stock(models / "flux-dev", case, steers)
    assert distance(latents(engine("flux-dev"), case, steers), reference) <= TOLERANCE
    assert distance(latents(engine("flux-dev"), case, []), reference) >= SENSITIVITY


def test_with_a_negative_prompt_both_ways_are_told_what_the_net_says_with_the_prompt(
    models: Path, nets: dict[str, Path], engine: Callable[[str], Ours]
) -> None:
    case = CASE.but(negative="water")
    for name in ("unguided", "a"):
        steers = [Net(nets[name], 5, 0.8)]
        reference = stock(models / "flux-schnell", case, steers)
        assert distance(latents(engine("flux-schnell"), case, steers), reference) <= TOLERANCE
        assert distance(latents(engine("flux-schnell"), CASE, steers), reference) >= SENSITIVITY


@pytest.mark.parametrize(("start", "end"), [(0.0, 0.5), (0.5, 1.0)])
def test_start_and_end_are_those_of_the_stock_pipeline(
    models: Path, nets: dict[str, Path], engine: Callable[[str], Ours], start: float, end: float
) -> None:
    ours, steers = engine("flux-dev"), [Net(nets["hint"], 5, 0.8, start, end)]
    reference = stock(models / "flux-dev", CASE, steers)
    assert distance(latents(ours, CASE, steers), reference) <= TOLERANCE
    _, equal = counted_and_equal(ours, assignment(CASE, steers), assignment(CASE, []))
    assert equal == [index < 4 * start for index in range(4)]


def test_a_mask_weighs_what_a_net_says_token_by_token(
    nets: dict[str, Path], engine: Callable[[str], Ours]
) -> None:
    ours = engine("flux-dev")
    left = np.zeros((64, 64), np.uint8)
    left[:, :32], left[:, 32:48] = 255, 127
    found = {}
    for mask in (left, None):
        task = ours.family.prepare(assignment(CASE, [Net(nets["a"], mask=mask)]))
        asked = _asked(ours, task)
        found[mask is None] = asked["controlnet_block_samples"][0]
    weight = torch.tensor([1.0, 1.0, 127 / 255, 0.0]).repeat(4)[None, :, None]
    assert found[True].abs().max() > 0.1
    assert torch.allclose(found[False], found[True] * weight, atol=1e-5)


@torch.inference_mode()
def _asked(ours: Ours, task: Any) -> dict[str, Any]:
    """What the nets add to the first step of a job."""
    while task.plan[task.stage_index].kind is not StageKind.DENOISING:
        ours.family.step([task])
    ours.family._begin(task)
    parts = ours.family._parts
    found: dict[str, Any] = ours.family._controls.nets.arguments(
        [task], denoiser_inputs([task], parts), parts
    )
    return found


def test_jobs_with_nets_in_one_batch_equal_the_same_jobs_alone(
    nets: dict[str, Path], engine: Callable[[str], Ours]
) -> None:
    ours = engine("flux-dev")
    given = [
        [Net(nets["union"], 5, 0.7, role="depth")],
        [Net(nets["union"], 8, 0.4, role="pose", mask=disc())],
        [Net(nets["a"], 6)],
        [],
    ]
    jobs = [assignment(CASE.but(seed=seed), steers, f"jobs/{seed}") for seed, steers in enumerate(given)]
    alone = [run(ours, job).current.latents for job in jobs]
    tasks = [ours.family.prepare(job) for job in jobs]
    shared = run_together(ours, tasks)
    for task, single in zip(tasks, alone, strict=True):
        assert task.current.latents is not None and single is not None
        assert distance(task.current.latents, single) <= 5e-5
    assert frozenset({0, 1}) in shared and frozenset({2}) in shared


def test_nets_of_two_kinds_add_up_and_a_seamless_picture_is_steered_where_it_is_rolled_to(
    nets: dict[str, Path], engine: Callable[[str], Ours]
) -> None:
    ours = engine("flux-dev")
    steers = [Net(nets["a"], 5, 0.5), Net(nets["hint"], 6, 0.5)]
    together = latents(ours, CASE, steers)
    for one in steers:
        assert distance(latents(ours, CASE, [one]), together) >= SENSITIVITY
    given = assignment(CASE, steers)
    given.spec.tile_x = True
    tiled = run(ours, given).current.latents
    assert tiled is not None and distance(tiled, together) >= SENSITIVITY
