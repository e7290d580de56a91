"""With controls, too: same seed, same picture as the stock diffusers pipelines with the same files."""

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

from tests.tiny_models import build_tiny_control
from tests.unit.engine.stock import RGB, STOCK_SCHEDULERS, Case, Ours, disc, distance, family_of, photo
from underpaint.engine.controls.plan import PlannedControl
from underpaint.engine.diffusion.job import DiffusionTask
from underpaint.engine.family import Assignment
from underpaint.engine.pixels import Raster
from underpaint.v1 import image_pb2, job_service_pb2
from underpaint.worker_v1.worker_service_pb2 import ControlSource

TOLERANCE = 1e-5
SENSITIVITY = 1e-2
PIPELINES = {
    ("sd15", "txt2img"): diffusers.StableDiffusionControlNetPipeline,
    ("sd15", "img2img"): diffusers.StableDiffusionControlNetImg2ImgPipeline,
    ("sd15", "inpaint"): diffusers.StableDiffusionControlNetInpaintPipeline,
    ("sdxl", "txt2img"): diffusers.StableDiffusionXLControlNetPipeline,
    ("sdxl", "img2img"): diffusers.StableDiffusionXLControlNetImg2ImgPipeline,
    ("sdxl", "inpaint"): diffusers.StableDiffusionXLControlNetInpaintPipeline,
}


@dataclass(frozen=True)
class Steer:
    """One control, for either side: a net's folder, the seed of its picture, and how much it counts."""

    net: Path
    picture: int = 5
    strength: float = 1.0
    start: float = 0.0
    end: float = 1.0

    def pixels(self) -> np.ndarray:
        return photo(seed=self.picture)


def assignment(case: Case, steers: Sequence[Steer], job: str = "jobs/1") -> Assignment:
    """A case with controls, as a family gets it."""
    spec, inputs = case.spec(), case.inputs()
    for number, one in enumerate(steers):
        blob = f"blobs/control-{number}"
        inputs[blob] = Raster.over(one.pixels().tobytes(), RGB, 64, 64)
        spec.controls.append(
            job_service_pb2.Control(
                image=image_pb2.ImageRef(blob=blob),
                role="line-art",
                strength=one.strength,
                start=one.start,
                end=one.end,
            )
        )
    sources = tuple(ControlSource(name=one.net.name, path=str(one.net)) for one in steers)
    return Assignment(job, spec, inputs, controls=sources)


def run(ours: Ours, given: Assignment) -> DiffusionTask:
    task = ours.family.prepare(given)
    while not task.ready_to_finish:
        ours.family.step([task])
    return task


def latents(ours: Ours, case: Case, steers: Sequence[Steer]) -> torch.Tensor:
    found = run(ours, assignment(case, steers)).current.latents
    assert found is not None
    return found


@lru_cache(None)
def _net(folder: Path) -> Any:
    return diffusers.ControlNetModel.from_pretrained(folder)


@lru_cache(None)
def _parts(model: Path) -> dict[str, Any]:
    parts = dict(diffusers.DiffusionPipeline.from_pretrained(model).components)
    return {name: part for name, part in parts.items() if part is not None}


def stock(model: Path, case: Case, steers: Sequence[Steer]) -> torch.Tensor:
    """The last latents of the stock pipeline."""
    nets = [_net(one.net) for one in steers]
    several = len(nets) > 1
    kind, overrides = STOCK_SCHEDULERS[case.scheduler]
    parts = _parts(model)
    family = family_of(model)
    own: dict[str, Any] = {"scheduler": kind.from_config(parts["scheduler"].config, **overrides)}
    if family == "sd15":
        own |= {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    pipeline = PIPELINES[family, case.operation](**{**parts, **own}, controlnet=nets if several else nets[0])
    pipeline.set_progress_bar_config(disable=True)

    def each(values: list[Any]) -> Any:
        return values if several else values[0]

    shown = each([Image.fromarray(one.pixels()) for one in steers])
    more: dict[str, Any] = {"width": 64, "height": 64}
    if case.operation == "txt2img":
        more["image"] = shown
    else:
        more |= {"image": Image.fromarray(photo()), "control_image": shown, "strength": case.strength}
    if case.operation == "inpaint":
        more["mask_image"] = Image.fromarray(disc(radius=case.mask))
    seen: list[torch.Tensor] = []

    def keep(_pipeline: Any, _step: int, _time: Any, values: dict[str, Any]) -> dict[str, Any]:
        seen.append(values["latents"])
        return {}

    pipeline(
        case.prompt,
        negative_prompt=case.negative,
        num_inference_steps=case.steps,
        guidance_scale=case.guidance,
        generator=torch.Generator().manual_seed(case.seed),
        controlnet_conditioning_scale=each([one.strength for one in steers]),
        control_guidance_start=each([one.start for one in steers]),
        control_guidance_end=each([one.end for one in steers]),
        callback_on_step_end=keep,
        **more,
    )
    return seen[-1]


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("nets")
    return {
        "a": build_tiny_control(root / "a"),
        "b": build_tiny_control(root / "b", seed=1),
        "pooled": build_tiny_control(root / "pooled", seed=2, pooled_text=True),
        "xl": build_tiny_control(root / "xl", kind="sdxl", seed=4),
        "xl-b": build_tiny_control(root / "xl-b", kind="sdxl", seed=5),
        "pooled-b": build_tiny_control(root / "pooled-b", seed=3, pooled_text=True),
    }


@pytest.fixture(scope="module")
def engine(models: Path) -> Callable[[str], Ours]:
    return lru_cache(None)(lambda model: Ours(models / model))


ROWS = [
    ("plain", "txt2img", 1.0),
    ("plain", "img2img", 0.7),
    ("plain", "inpaint", 0.7),
    ("plain", "inpaint", 1.0),
    ("inpaint", "inpaint", 1.0),
    ("small", "txt2img", 1.0),
    ("small", "img2img", 0.7),
    ("small", "inpaint", 0.7),
    ("sdxl", "txt2img", 1.0),
    ("sdxl", "img2img", 0.7),
    ("sdxl", "inpaint", 0.7),
    ("sdxl-inpaint", "inpaint", 0.7),
]


@pytest.mark.parametrize("scheduler", ["ddim", "heun"])
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(("model", "operation", "strength"), ROWS)
def test_latents_are_those_of_the_stock_control_net_pipeline(
    models: Path,
    nets: dict[str, Path],
    engine: Callable[[str], Ours],
    model: str,
    operation: str,
    strength: float,
    count: int,
    scheduler: str,
) -> None:
    ours = engine(model)
    kinds = {"small": ("pooled", "pooled-b"), "sdxl": ("xl", "xl-b"), "sdxl-inpaint": ("xl", "xl-b")}
    names = kinds.get(model, ("a", "b"))
    steers = [Steer(nets[names[0]], 5, 0.8), Steer(nets[names[1]], 6, 0.3, 0.0, 0.5)][:count]
    case = Case(operation, scheduler, strength=strength)
    reference = stock(models / model, case, steers)
    assert distance(latents(ours, case, steers), reference) <= TOLERANCE

    first, rest = steers[0], steers[1:]
    others = [
        [],
        [replace(first, picture=9), *rest],
        [replace(first, strength=1.6), *rest],
        [replace(first, net=nets[names[1]]), *rest],
    ]
    for other in others:
        assert distance(latents(ours, case, other), reference) >= SENSITIVITY, other
    for changed in (case.but(prompt="green moss"), case.but(seed=2), case.but(guidance=20.0)):
        assert distance(latents(ours, changed, steers), reference) >= SENSITIVITY, changed


@pytest.mark.parametrize(("start", "end"), [(0.0, 0.5), (0.5, 1.0), (0.25, 0.75), (0.4, 0.41), (0.0, 1.0)])
@pytest.mark.parametrize(("operation", "scheduler"), [("txt2img", "ddim"), ("img2img", "heun")])
def test_start_and_end_are_those_of_the_stock_pipeline(
    models: Path,
    nets: dict[str, Path],
    engine: Callable[[str], Ours],
    operation: str,
    scheduler: str,
    start: float,
    end: float,
) -> None:
    case, steers = Case(operation, scheduler), [Steer(nets["a"], start=start, end=end)]
    reference = stock(models / "plain", case, steers)
    assert distance(latents(engine("plain"), case, steers), reference) <= TOLERANCE


def test_without_guidance_it_agrees_too(
    models: Path, nets: dict[str, Path], engine: Callable[[str], Ours]
) -> None:
    case, steers = Case("txt2img", guidance=1.0), [Steer(nets["a"]), Steer(nets["b"], 7)]
    reference = stock(models / "plain", case, steers)
    assert distance(latents(engine("plain"), case, steers), reference) <= TOLERANCE
    assert distance(latents(engine("plain"), case, steers[:1]), reference) >= SENSITIVITY


def test_a_control_counts_in_the_steps_that_its_share_covers() -> None:
    control = PlannedControl(Path("n"), {}, None, 1.0, 0.25, 0.7)
    steps = 10
    assert [index for index in range(steps) if control.counts(index / steps, (index + 1) / steps)] == [
        3,
        4,
        5,
        6,
    ]
