"""References beside controls, for each stock pipeline that takes both: same seed, same picture."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from PIL import Image

from tests.tiny_models import (
    build_tiny_adapter,
    build_tiny_control,
    build_tiny_reference,
    build_tiny_union,
)
from tests.unit.engine.stock import STOCK_SCHEDULERS, Case, Ours, disc, distance, photo
from tests.unit.engine.test_control_parity import Steer, run
from tests.unit.engine.test_reference_parity import Look, assignment, encoder
from underpaint.weights import kinds

TOLERANCE = 1e-5
SENSITIVITY = 1e-2
DEPTH = 1
"""Mode of a union net."""
ROWS: dict[tuple[str, str, str], Any] = {
    ("plain", "net", "img2img"): diffusers.StableDiffusionControlNetImg2ImgPipeline,
    ("plain", "net", "inpaint"): diffusers.StableDiffusionControlNetInpaintPipeline,
    ("sdxl", "net", "img2img"): diffusers.StableDiffusionXLControlNetImg2ImgPipeline,
    ("sdxl", "net", "inpaint"): diffusers.StableDiffusionXLControlNetInpaintPipeline,
    ("sdxl", "union", "txt2img"): diffusers.StableDiffusionXLControlNetUnionPipeline,
    ("sdxl", "union", "img2img"): diffusers.StableDiffusionXLControlNetUnionImg2ImgPipeline,
    ("sdxl", "union", "inpaint"): diffusers.StableDiffusionXLControlNetUnionInpaintPipeline,
    ("sdxl", "adapter", "txt2img"): diffusers.StableDiffusionXLAdapterPipeline,
}
CLASSES: dict[str, Any] = {
    "net": diffusers.ControlNetModel,
    "union": diffusers.ControlNetUnionModel,
    "adapter": diffusers.T2IAdapter,
}
KINDS = {"net": kinds.CONTROL_NET, "union": kinds.CONTROL_NET_UNION, "adapter": kinds.T2I_ADAPTER}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Path]:
    root = tmp_path_factory.mktemp("steered")
    return {
        ("plain", "look"): build_tiny_reference(root / "look.safetensors"),
        ("sdxl", "look"): build_tiny_reference(root / "xl-look.safetensors", kind="sdxl", seed=2),
        ("plain", "net"): build_tiny_control(root / "net"),
        ("sdxl", "net"): build_tiny_control(root / "xl-net", kind="sdxl", seed=4),
        ("sdxl", "union"): build_tiny_union(root / "union"),
        ("sdxl", "adapter"): build_tiny_adapter(root / "adapter"),
    }


@pytest.fixture(scope="module")
def engine(models: Path) -> Callable[[str], Ours]:
    return lru_cache(None)(lambda model: Ours(models / model))


def ours(family: Ours, case: Case, looks: list[Look], steers: list[Steer], what: str) -> torch.Tensor:
    given = assignment(case, looks, steers)
    for source, control in zip(given.controls, given.spec.controls, strict=False):
        if source.kind != kinds.IP_ADAPTER:
            source.kind, control.role = KINDS[what], "depth"
    found = run(family, given).current.latents
    assert found is not None
    return found


def stock(model: Path, what: str, case: Case, look: Look, steer: Steer) -> torch.Tensor:
    """The last latents of the stock pipeline with both."""
    network = {("adapter" if what == "adapter" else "controlnet"): CLASSES[what].from_pretrained(steer.net)}
    more: dict[str, Any] = {"add_watermarker": False} if model.name == "sdxl" else {}
    kind = ROWS[model.name, what, case.operation]
    more |= encoder(look.adapter.parent / "image_encoder")
    pipeline = kind.from_pretrained(model, **network, **more)
    pipeline.set_progress_bar_config(disable=True)
    scheduler, overrides = STOCK_SCHEDULERS[case.scheduler]
    pipeline.scheduler = scheduler.from_config(pipeline.scheduler.config, **overrides)
    pipeline.load_ip_adapter(str(look.adapter.parent), subfolder="", weight_name=look.adapter.name)
    pipeline.set_ip_adapter_scale(look.strength)
    shown = Image.fromarray(steer.pixels())
    asked: dict[str, Any] = {"image": shown, "adapter_conditioning_scale": steer.strength}
    if what != "adapter":
        asked = {"control_image": shown, "controlnet_conditioning_scale": steer.strength}
    if what == "union":
        asked["control_mode"] = [DEPTH]
    if case.operation != "txt2img":
        asked |= {"image": Image.fromarray(photo()), "strength": case.strength}
    if case.operation == "inpaint":
        asked["mask_image"] = Image.fromarray(disc(radius=case.mask))
    if case.operation != "img2img":
        asked |= {"width": 64, "height": 64}
    found: torch.Tensor = pipeline(
        case.prompt,
        negative_prompt=case.negative,
        ip_adapter_image=Image.fromarray(look.pixels()),
        num_inference_steps=case.steps,
        guidance_scale=case.guidance,
        generator=torch.Generator().manual_seed(case.seed),
        output_type="latent",
        **asked,
    ).images
    return found


@pytest.mark.parametrize(("model", "what", "operation"), ROWS)
def test_latents_are_those_of_the_stock_pipeline_that_takes_both(
    models: Path,
    places: dict[tuple[str, str], Path],
    engine: Callable[[str], Ours],
    model: str,
    what: str,
    operation: str,
) -> None:
    look, steer = Look(places[model, "look"], 5, 0.8), Steer(places[model, what], 7, 0.6)
    case, family = Case(operation), engine(model)
    reference = stock(models / model, what, case, look, steer)
    assert distance(ours(family, case, [look], [steer], what), reference) <= TOLERANCE
    assert distance(ours(family, case, [], [steer], what), reference) >= SENSITIVITY
    assert distance(ours(family, case, [look], [], what), reference) >= SENSITIVITY
