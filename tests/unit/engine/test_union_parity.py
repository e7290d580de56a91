"""With union control nets: same seed, same picture as the stock pipelines, one image or several at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from PIL import Image

from tests.tiny_models import build_tiny_control, build_tiny_union
from tests.unit.engine.stepping import counted_and_equal, run_together
from tests.unit.engine.stock import STOCK_SCHEDULERS, Case, Ours, disc, distance, photo
from tests.unit.engine.test_control_parity import Steer, run
from tests.unit.engine.test_control_parity import assignment as controlled
from underpaint.engine.family import Assignment
from underpaint.engine.pixels import Raster
from underpaint.types import MASK_FORMAT
from underpaint.weights import kinds

TOLERANCE = 1e-5
SENSITIVITY = 1e-2
PIPELINES = {
    "txt2img": diffusers.StableDiffusionXLControlNetUnionPipeline,
    "img2img": diffusers.StableDiffusionXLControlNetUnionImg2ImgPipeline,
    "inpaint": diffusers.StableDiffusionXLControlNetUnionInpaintPipeline,
}
CASE = Case("txt2img", "euler")


@dataclass(frozen=True)
class Mode(Steer):
    """One control through a union net: in a role, which the stock pipelines number."""

    role: str = "depth"
    number: int = 1
    mask: float = 0.0


def assignment(case: Case, steers: Sequence[Steer], job: str = "jobs/1") -> Assignment:
    found = controlled(case, steers, job)
    inputs = dict(found.inputs)
    for index, one in enumerate(steers):
        if isinstance(one, Mode):
            found.controls[index].kind = kinds.CONTROL_NET_UNION
            found.spec.controls[index].role = one.role
            if one.mask:
                blob = found.spec.controls[index].mask.blob = f"blobs/where-{index}"
                inputs[blob] = Raster.over(disc(radius=one.mask).tobytes(), MASK_FORMAT, 64, 64)
    return replace(found, inputs=inputs)


def latents(ours: Ours, case: Case, steers: Sequence[Steer]) -> torch.Tensor:
    found = run(ours, assignment(case, steers)).current.latents
    assert found is not None
    return found


@lru_cache(None)
def _net(folder: Path) -> Any:
    return diffusers.ControlNetUnionModel.from_pretrained(folder)


def stock(model: Path, case: Case, steers: Sequence[Mode]) -> torch.Tensor:
    """The last latents of the stock pipeline: one net for all images, or one for each."""
    folders = list(dict.fromkeys(one.net for one in steers))
    nets = [_net(folder) for folder in folders]
    several = len(nets) > 1
    kind: Any = PIPELINES[case.operation]
    pipeline = kind.from_pretrained(model, controlnet=nets if several else nets[0], add_watermarker=False)
    pipeline.set_progress_bar_config(disable=True)
    scheduler, overrides = STOCK_SCHEDULERS[case.scheduler]
    pipeline.scheduler = scheduler.from_config(pipeline.scheduler.config, **overrides)
    shown = [Image.fromarray(one.pixels()) for one in steers]
    more: dict[str, Any] = {"width": 64, "height": 64} if case.operation != "img2img" else {}
    if case.operation != "txt2img":
        more |= {"image": Image.fromarray(photo()), "strength": case.strength}
    if case.operation == "inpaint":
        more["mask_image"] = Image.fromarray(disc(radius=case.mask))
    seen: list[torch.Tensor] = []

    def keep(_pipeline: Any, _step: int, _time: Any, values: dict[str, Any]) -> dict[str, Any]:
        seen.append(values["latents"])
        return {}

    pipeline(
        case.prompt,
        negative_prompt=case.negative,
        control_image=shown,
        control_mode=[one.number for one in steers],
        num_inference_steps=case.steps,
        guidance_scale=case.guidance,
        generator=torch.Generator().manual_seed(case.seed),
        controlnet_conditioning_scale=[one.strength for one in steers] if several else steers[0].strength,
        control_guidance_start=steers[0].start,
        control_guidance_end=steers[0].end,
        callback_on_step_end=keep,
        **more,
    )
    return seen[-1]


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("unions")
    return {
        "a": build_tiny_union(root / "a"),
        "b": build_tiny_union(root / "b", seed=1, modes=8),
        "plain": build_tiny_control(root / "plain", kind="sdxl", seed=4),
    }


@pytest.fixture(scope="module")
def ours(models: Path) -> Ours:
    return Ours(models / "sdxl")


@pytest.mark.parametrize("how", ["one", "together", "two nets"])
@pytest.mark.parametrize(
    ("operation", "scheduler"), [("txt2img", "euler"), ("img2img", "ddim"), ("inpaint", "ddim")]
)
def test_latents_are_those_of_the_stock_union_pipeline(
    models: Path, nets: dict[str, Path], ours: Ours, operation: str, scheduler: str, how: str
) -> None:
    steers = [Mode(nets["a"], 5, 0.7)]
    if how == "together":
        steers.append(Mode(nets["a"], 6, 0.7, role="canny", number=3))
    elif how == "two nets":
        steers.append(Mode(nets["b"], 6, 0.4, role="tile", number=6))
    case = Case(operation, scheduler)
    reference = stock(models / "sdxl", case, steers)
    assert distance(latents(ours, case, steers), reference) <= TOLERANCE

    first, rest = steers[0], steers[1:]
    for other in (
        rest,
        [replace(first, picture=9), *rest],
        [replace(first, strength=1.6), *rest],
        [replace(first, role="pose", number=0), *rest],
    ):
        assert distance(latents(ours, case, other), reference) >= SENSITIVITY, other
    for changed in (case.but(prompt="green moss"), case.but(seed=2), case.but(guidance=20.0)):
        assert distance(latents(ours, changed, steers), reference) >= SENSITIVITY, changed


@pytest.mark.parametrize(("start", "end"), [(0.0, 0.5), (0.5, 1.0)])
def test_start_and_end_are_those_of_the_stock_pipeline(
    models: Path, nets: dict[str, Path], ours: Ours, start: float, end: float
) -> None:
    steers = [Mode(nets["a"], 5, 0.7, start, end)]
    assert distance(latents(ours, CASE, steers), stock(models / "sdxl", CASE, steers)) <= TOLERANCE
    _, equal = counted_and_equal(ours, assignment(CASE, steers), assignment(CASE, []))
    assert equal == [index < start * 4 for index in range(4)]


def test_an_image_with_a_mask_goes_through_the_net_alone_and_is_weighed(
    nets: dict[str, Path], ours: Ours
) -> None:
    depth, canny = Mode(nets["a"], 5, 0.7), Mode(nets["a"], 6, 0.7, role="canny", number=3)
    alone = latents(ours, CASE, [depth])
    everywhere = replace(canny, mask=99.0)
    there = latents(ours, CASE, [depth, replace(canny, mask=20.0)])
    assert distance(there, alone) >= SENSITIVITY
    assert distance(there, latents(ours, CASE, [depth, canny])) >= SENSITIVITY
    # Everywhere is no mask: then both are shown at once.
    assert torch.equal(latents(ours, CASE, [depth, everywhere]), latents(ours, CASE, [depth, canny]))


def test_beside_a_plain_net_both_have_their_say(nets: dict[str, Path], ours: Ours) -> None:
    steers = [Mode(nets["a"], 5, 0.7), Steer(nets["plain"], 6, 0.5)]
    together = latents(ours, CASE, steers)
    assert distance(latents(ours, CASE, steers[:1]), together) >= SENSITIVITY
    assert distance(latents(ours, CASE, steers[1:]), together) >= SENSITIVITY


def test_jobs_in_one_batch_equal_the_same_jobs_alone_whatever_they_show(
    nets: dict[str, Path], ours: Ours
) -> None:
    # In diffusers' net the rows of a pass attend to one another: strangers must not be among them.
    depth = Mode(nets["a"], 5, 0.7)
    canny = replace(depth, role="canny", number=3)
    given = [[depth], [replace(depth, picture=8, strength=0.4)], [canny], [depth, canny]]
    jobs = [assignment(CASE.but(seed=seed), steers, f"jobs/{seed}") for seed, steers in enumerate(given)]
    alone = [run(ours, job).current.latents for job in jobs]
    tasks = [ours.family.prepare(job) for job in jobs]
    shared = run_together(ours, tasks)
    for task, single in zip(tasks, alone, strict=True):
        assert task.current.latents is not None and single is not None
        assert distance(task.current.latents, single) <= 5e-5
    assert shared == {frozenset({0, 1, 2}), frozenset({3})}
