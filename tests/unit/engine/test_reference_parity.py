"""With reference images: same seed, same picture as the stock pipelines with their IP-Adapters."""

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
from diffusers.image_processor import IPAdapterMaskProcessor
from PIL import Image
from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

from tests.tiny_models import build_tiny_control, build_tiny_reference
from tests.unit.engine.stock import (
    PIPELINES,
    RGB,
    STOCK_SCHEDULERS,
    Case,
    Ours,
    disc,
    distance,
    family_of,
    photo,
)
from tests.unit.engine.test_control_parity import Steer, run
from tests.unit.engine.test_control_parity import assignment as controlled
from underpaint.engine.family import Assignment
from underpaint.engine.pixels import Raster
from underpaint.types import MASK_FORMAT
from underpaint.v1 import image_pb2, job_service_pb2
from underpaint.weights import kinds
from underpaint.worker_v1.worker_service_pb2 import ControlSource

TOLERANCE = 1e-5
SENSITIVITY = 1e-2
STYLE = {"sd15": {"up": {"block_0": 1.0}}, "sdxl": {"up": {"block_0": [0.0, 1.0]}}}
COMPOSITION = {"sd15": {"down": {"block_1": 1.0}, "mid": 1.0}, "sdxl": {"down": {"block_1": [1.0]}}}
_DISTILLED = (
    diffusers.LatentConsistencyModelPipeline,
    diffusers.LatentConsistencyModelImg2ImgPipeline,
)
"""These take no negative prompt."""


@dataclass(frozen=True)
class Look:
    """One reference, for either side: an adapter's file, the seed of its picture, and how much it counts."""

    adapter: Path
    picture: int = 5
    strength: float = 1.0
    role: str = "reference"
    mask: float = 0.0
    """Radius of a disc inside which it counts; 0: everywhere."""

    def pixels(self) -> np.ndarray:
        return photo(72, 48, seed=self.picture)

    def coverage(self) -> np.ndarray:
        return disc(radius=self.mask) if self.mask else np.full((64, 64), 255, np.uint8)

    def scale(self, family: str) -> Any:
        """As stock pipelines take it."""
        blocks = {"style": STYLE[family], "composition": COMPOSITION[family]}.get(self.role)
        if blocks is None:
            return self.strength

        def scaled(value: Any) -> Any:
            if isinstance(value, dict):
                return {name: scaled(inner) for name, inner in value.items()}
            return [scaled(one) for one in value] if isinstance(value, list) else value * self.strength

        return scaled(blocks)


def assignment(
    case: Case, looks: Sequence[Look], steers: Sequence[Steer] = (), job: str = "jobs/1"
) -> Assignment:
    """A case with references, behind controls, as a family gets it."""
    given = controlled(case, steers, job)
    spec, inputs, sources = given.spec, dict(given.inputs), list(given.controls)
    for number, one in enumerate(looks):
        inputs[f"blobs/look-{number}"] = Raster.over(one.pixels().tobytes(), RGB, 72, 48)
        control = job_service_pb2.Control(
            image=image_pb2.ImageRef(blob=f"blobs/look-{number}"), role=one.role, strength=one.strength
        )
        if one.mask:
            control.mask.blob = f"blobs/where-{number}"
            inputs[control.mask.blob] = Raster.over(one.coverage().tobytes(), MASK_FORMAT, 64, 64)
        spec.controls.append(control)
        encoder = one.adapter.parent / "image_encoder"
        sources.append(
            ControlSource(
                name=one.adapter.stem,
                path=str(one.adapter),
                kind=kinds.IP_ADAPTER,
                image_encoder=str(encoder),
            )
        )
    return Assignment(job, spec, inputs, controls=tuple(sources))


def latents(ours: Ours, case: Case, looks: Sequence[Look], steers: Sequence[Steer] = ()) -> torch.Tensor:
    found = run(ours, assignment(case, looks, steers)).current.latents
    assert found is not None
    return found


@lru_cache(None)
def encoder(folder: Path) -> dict[str, Any]:
    """What a stock pipeline looks at references through."""
    return {
        "image_encoder": CLIPVisionModelWithProjection.from_pretrained(folder),
        "feature_extractor": CLIPImageProcessor(size=28, crop_size=28),
    }


class Stock:
    """A stock pipeline with references."""

    def __init__(self, model: Path, operation: str, net: Path | None = None, *, kind: Any = None) -> None:
        self.family = family_of(model)
        self.operation = operation
        more: dict[str, Any] = {"add_watermarker": False} if self.family == "sdxl" else {}
        kind = kind or PIPELINES[self.family, operation]
        if net is not None:
            kind = diffusers.StableDiffusionControlNetPipeline
            kind = diffusers.StableDiffusionXLControlNetPipeline if self.family == "sdxl" else kind
            more["controlnet"] = diffusers.ControlNetModel.from_pretrained(net)
        self.pipeline = kind.from_pretrained(model, **more)
        self.pipeline.set_progress_bar_config(disable=True)

    def latents(
        self,
        case: Case,
        looks: Sequence[Look],
        *,
        together: bool = False,
        steer: Steer | None = None,
    ) -> torch.Tensor:
        """The last latents; `together` loads the first adapter once, for all pictures with their masks."""
        pipeline = self.pipeline
        pipeline.register_modules(**encoder(looks[0].adapter.parent / "image_encoder"))
        adapters = [one.adapter for one in (looks[:1] if together else looks)]
        pipeline.load_ip_adapter(
            [str(path.parent) for path in adapters],
            subfolder="",
            weight_name=[path.name for path in adapters],
        )
        scales = [one.scale(self.family) for one in looks]
        pipeline.set_ip_adapter_scale([scales] if together else scales)
        pictures = [Image.fromarray(one.pixels()) for one in looks]
        more: dict[str, Any] = {"ip_adapter_image": [pictures] if together else pictures}
        if any(one.mask for one in looks):
            shown = [Image.fromarray(one.coverage()) for one in looks]
            masks = IPAdapterMaskProcessor().preprocess(shown, height=64, width=64)
            split = [masks.reshape(1, len(looks), 64, 64)] if together else list(masks[:, None])
            more["cross_attention_kwargs"] = {"ip_adapter_masks": split}
        try:
            return self._run(case, more, steer)
        finally:
            pipeline.unload_ip_adapter()

    def _run(self, case: Case, more: dict[str, Any], steer: Steer | None) -> torch.Tensor:
        kind, overrides = STOCK_SCHEDULERS[case.scheduler]
        self.pipeline.scheduler = kind.from_config(self.pipeline.scheduler.config, **overrides)
        if self.operation != "txt2img":
            more |= {"image": Image.fromarray(photo()), "strength": case.strength}
        elif steer is not None:
            more["image"] = Image.fromarray(steer.pixels())
            more["controlnet_conditioning_scale"] = steer.strength
        if self.operation == "inpaint":
            more["mask_image"] = Image.fromarray(disc(radius=case.mask))
        if self.operation != "img2img":
            more |= {"width": 64, "height": 64}
        seen: list[torch.Tensor] = []

        def keep(_pipeline: Any, _step: int, _time: Any, values: dict[str, Any]) -> dict[str, Any]:
            seen.append(values["latents"])
            return {}

        if not isinstance(self.pipeline, _DISTILLED):
            more["negative_prompt"] = case.negative
        self.pipeline(
            case.prompt,
            num_inference_steps=case.steps,
            guidance_scale=case.guidance,
            generator=torch.Generator().manual_seed(case.seed),
            callback_on_step_end=keep,
            **more,
        )
        return seen[-1]


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("references")
    return {
        "a": build_tiny_reference(root / "a.safetensors"),
        "plus": build_tiny_reference(root / "plus.safetensors", plus=True, seed=1),
        "xl": build_tiny_reference(root / "xl.safetensors", kind="sdxl", seed=2),
        "xl-plus": build_tiny_reference(root / "xl-plus.safetensors", kind="sdxl", plus=True, seed=3),
        "net": build_tiny_control(root / "net"),
        "xl-net": build_tiny_control(root / "xl-net", kind="sdxl", seed=4),
    }


@pytest.fixture(scope="module")
def engine(models: Path) -> Callable[[str], Ours]:
    return lru_cache(None)(lambda model: Ours(models / model))


@pytest.fixture(scope="module")
def reference(models: Path) -> Callable[..., Stock]:
    return lru_cache(None)(lambda model, operation, net=None: Stock(models / model, operation, net))


def names_for(model: str) -> tuple[str, str]:
    return ("xl", "xl-plus") if model.startswith("sdxl") else ("a", "plus")


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(
    ("model", "operation", "scheduler"),
    [
        ("plain", "txt2img", "ddim"),
        ("plain", "img2img", "heun"),
        ("plain", "inpaint", "ddim"),
        ("inpaint", "inpaint", "ddim"),
        ("small", "txt2img", "ddim"),
        ("sdxl", "txt2img", "euler"),
        ("sdxl", "img2img", "ddim"),
        ("sdxl", "inpaint", "heun"),
    ],
)
def test_latents_are_those_of_the_stock_pipeline_with_its_ip_adapters(
    adapters: dict[str, Path],
    engine: Callable[[str], Ours],
    reference: Callable[..., Stock],
    model: str,
    operation: str,
    scheduler: str,
    count: int,
) -> None:
    plain, plus = (adapters[name] for name in names_for(model))
    looks = [Look(plain, 5, 0.8), Look(plus, 6, 0.5)][:count]
    case = Case(operation, scheduler)
    expected = reference(model, operation).latents(case, looks)
    assert distance(latents(engine(model), case, looks), expected) <= TOLERANCE

    first, rest = looks[0], looks[1:]
    for other in (
        rest,
        [replace(first, picture=9), *rest],
        [replace(first, strength=1.6), *rest],
        [replace(first, mask=12.0), *rest],
        [replace(first, adapter=plus), *rest],
    ):
        assert distance(latents(engine(model), case, other), expected) >= SENSITIVITY, other
    for changed in (case.but(prompt="green moss"), case.but(seed=2), case.but(guidance=20.0)):
        assert distance(latents(engine(model), changed, looks), expected) >= SENSITIVITY, changed


@pytest.mark.parametrize("operation", ["txt2img", "img2img"])
def test_a_distilled_model_agrees_with_the_pipeline_of_its_kind(
    models: Path, adapters: dict[str, Path], engine: Callable[[str], Ours], operation: str
) -> None:
    kinds = {
        "txt2img": diffusers.LatentConsistencyModelPipeline,
        "img2img": diffusers.LatentConsistencyModelImg2ImgPipeline,
    }
    # Below full strength that pipeline spreads all its steps over what is left, where others leave steps out.
    case = Case(operation, "lcm", negative="", strength=1.0)
    looks = [Look(adapters["a"], 5, 0.8), Look(adapters["plus"], 6, 0.5)]
    stock = Stock(models / "distilled", operation, kind=kinds[operation])
    for given in (looks[:1], looks):
        expected = stock.latents(case, given)
        assert distance(latents(engine("distilled"), case, given), expected) <= TOLERANCE
        assert distance(latents(engine("distilled"), case, given[1:]), expected) >= SENSITIVITY


@pytest.mark.parametrize("model", ["plain", "sdxl"])
def test_a_resampling_adapter_alone_agrees_and_so_does_no_guidance(
    adapters: dict[str, Path], engine: Callable[[str], Ours], reference: Callable[..., Stock], model: str
) -> None:
    looks = [Look(adapters[names_for(model)[1]], 3, 0.7)]
    for case in (Case("txt2img"), Case("txt2img", guidance=1.0)):
        expected = reference(model, "txt2img").latents(case, looks)
        assert distance(latents(engine(model), case, looks), expected) <= TOLERANCE


@pytest.mark.parametrize("role", ["style", "composition"])
@pytest.mark.parametrize("model", ["plain", "sdxl"])
def test_style_and_composition_are_scales_by_block_as_stock_takes_them(
    adapters: dict[str, Path],
    engine: Callable[[str], Ours],
    reference: Callable[..., Stock],
    model: str,
    role: str,
) -> None:
    plain, plus = (adapters[name] for name in names_for(model))
    looks = [Look(plain, 5, 0.9, role), Look(plus, 6, 0.4)]
    case = Case("txt2img")
    expected = reference(model, "txt2img").latents(case, looks)
    assert distance(latents(engine(model), case, looks), expected) <= TOLERANCE
    whole = [replace(looks[0], role="reference"), looks[1]]
    assert distance(latents(engine(model), case, whole), expected) >= SENSITIVITY
    assert distance(latents(engine(model), case, looks[1:]), expected) >= SENSITIVITY


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("model", ["plain", "sdxl"])
def test_masked_references_are_those_of_stock_on_one_adapter_or_several(
    adapters: dict[str, Path],
    engine: Callable[[str], Ours],
    reference: Callable[..., Stock],
    model: str,
    together: bool,
) -> None:
    plain, plus = (adapters[name] for name in names_for(model))
    looks = [Look(plain, 5, 0.8, mask=15.0), Look(plain if together else plus, 6, 1.2, mask=26.0)]
    case = Case("txt2img")
    expected = reference(model, "txt2img").latents(case, looks, together=together)
    assert distance(latents(engine(model), case, looks), expected) <= TOLERANCE
    for other in (looks[:1], [looks[0], replace(looks[1], mask=9.0)]):
        assert distance(latents(engine(model), case, other), expected) >= SENSITIVITY


@pytest.mark.parametrize(("model", "net"), [("plain", "net"), ("sdxl", "xl-net")])
def test_together_with_a_control_net_they_agree_with_its_stock_pipeline(
    adapters: dict[str, Path],
    engine: Callable[[str], Ours],
    reference: Callable[..., Stock],
    model: str,
    net: str,
) -> None:
    looks, steer = [Look(adapters[names_for(model)[0]], 5, 0.8)], Steer(adapters[net], 7, 0.6)
    case = Case("txt2img")
    expected = reference(model, "txt2img", adapters[net]).latents(case, looks, steer=steer)
    assert distance(latents(engine(model), case, looks, [steer]), expected) <= TOLERANCE
    assert distance(latents(engine(model), case, [], [steer]), expected) >= SENSITIVITY
    assert distance(latents(engine(model), case, looks), expected) >= SENSITIVITY
