"""Which stock pipelines take a control, an adapter or a reference, and which test holds ours to each."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import diffusers

PIPELINES: Final = Path(diffusers.__file__).parent / "pipelines"
_TAKES: Final = re.compile(r"(?:^|_)control(?:s|net|_image|_mode|_video|_guidance|$)|adapter")


@dataclass(frozen=True)
class Taker:
    """A pipeline whose arguments have such an image or such a network."""

    name: str
    folder: str
    """Below `diffusers/pipelines`."""


@dataclass(frozen=True)
class Held:
    """A stock pipeline that ours equals, and by which tests."""

    name: str
    takes: str
    """What it is compared with, in words."""
    tests: tuple[str, ...]
    """`module::function` below tests/unit/engine."""


def takers(root: Path = PIPELINES) -> Iterator[Taker]:
    """Every one in diffusers, but those that diffusers itself calls deprecated. Read, not imported."""
    for path in sorted(root.rglob("pipeline_*.py")):
        folder = path.parent.relative_to(root).as_posix()
        text = path.read_text("utf-8")
        if folder.split("/")[0] == "deprecated" or not ("control" in text or "adapter" in text):
            continue
        for node in ast.parse(text).body:
            if not isinstance(node, ast.ClassDef) or not node.name.endswith("Pipeline"):
                continue
            bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
            if "DeprecatedPipelineMixin" not in bases and any(map(_TAKES.search, _arguments(node))):
                yield Taker(node.name, folder)


def _arguments(node: ast.ClassDef) -> Iterator[str]:
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and method.name in ("__init__", "__call__"):
            for one in (*method.args.args, *method.args.kwonlyargs):
                yield one.arg


_NETS = "test_control_parity::test_latents_are_those_of_the_stock_control_net_pipeline"
_LOOKS = "test_reference_parity::test_latents_are_those_of_the_stock_pipeline_with_its_ip_adapters"
_MASKED = "test_reference_parity::test_masked_references_are_those_of_stock_on_one_adapter_or_several"
_BOTH = "test_reference_parity::test_together_with_a_control_net_they_agree_with_its_stock_pipeline"
_DISTILLED = "test_reference_parity::test_a_distilled_model_agrees_with_the_pipeline_of_its_kind"
_STEERED = "test_steered_reference_parity::test_latents_are_those_of_the_stock_pipeline_that_takes_both"
_UNION = "test_union_parity::test_latents_are_those_of_the_stock_union_pipeline"
_FEATURES = "test_adapter_parity::test_latents_are_those_of_the_stock_adapter_pipeline"
_FLUX_NETS = "test_flux_control_parity::test_latents_are_those_of_the_stock_control_net_pipeline"
_FLUX_NETS_ELSE = "test_flux_control_parity::test_other_operations_agree_with_theirs"
_FLUX_UNION = "test_flux_control_parity::test_a_union_net_takes_the_mode_of_its_role"
_FLUX_LOOKS = "test_flux_references::test_latents_are_those_of_the_stock_pipeline_with_its_ip_adapters"
_FLUX_BOTH = "test_flux_references::test_together_with_a_control_net_they_agree_with_its_stock_pipeline"
_SHOWN = "test_flux_shown::test_latents_are_those_of_the_stock_pipeline"
_WORN = "test_flux_control_loras::test_latents_are_those_of_the_stock_pipeline_that_wears_it"
_REDUX = "test_flux_redux::test_latents_are_those_of_the_stock_prior_and_pipeline"

_ONE_NET = "a control net, several"
_ONE_UNION = "a union net, several images, with an IP-Adapter"
_ONE_LOOK = "an IP-Adapter, several"

HELD: Final = (
    Held("StableDiffusionPipeline", f"{_ONE_LOOK}, masked", (_LOOKS, _MASKED)),
    Held("StableDiffusionImg2ImgPipeline", _ONE_LOOK, (_LOOKS,)),
    Held("StableDiffusionInpaintPipeline", _ONE_LOOK, (_LOOKS,)),
    Held("StableDiffusionXLPipeline", f"{_ONE_LOOK}, masked", (_LOOKS, _MASKED)),
    Held("StableDiffusionXLImg2ImgPipeline", _ONE_LOOK, (_LOOKS,)),
    Held("StableDiffusionXLInpaintPipeline", _ONE_LOOK, (_LOOKS,)),
    Held("LatentConsistencyModelPipeline", _ONE_LOOK, (_DISTILLED,)),
    Held("LatentConsistencyModelImg2ImgPipeline", f"{_ONE_LOOK}, at full strength", (_DISTILLED,)),
    Held("StableDiffusionControlNetPipeline", f"{_ONE_NET}, with an IP-Adapter", (_NETS, _BOTH)),
    Held("StableDiffusionControlNetImg2ImgPipeline", f"{_ONE_NET}, with an IP-Adapter", (_NETS, _STEERED)),
    Held("StableDiffusionControlNetInpaintPipeline", f"{_ONE_NET}, with an IP-Adapter", (_NETS, _STEERED)),
    Held("StableDiffusionXLControlNetPipeline", f"{_ONE_NET}, with an IP-Adapter", (_NETS, _BOTH)),
    Held("StableDiffusionXLControlNetImg2ImgPipeline", f"{_ONE_NET}, with an IP-Adapter", (_NETS, _STEERED)),
    Held("StableDiffusionXLControlNetInpaintPipeline", f"{_ONE_NET}, with an IP-Adapter", (_NETS, _STEERED)),
    Held("StableDiffusionXLControlNetUnionPipeline", _ONE_UNION, (_UNION, _STEERED)),
    Held("StableDiffusionXLControlNetUnionImg2ImgPipeline", _ONE_UNION, (_UNION, _STEERED)),
    Held("StableDiffusionXLControlNetUnionInpaintPipeline", _ONE_UNION, (_UNION, _STEERED)),
    Held("StableDiffusionAdapterPipeline", "a T2I adapter, several", (_FEATURES,)),
    Held(
        "StableDiffusionXLAdapterPipeline",
        "a T2I adapter, several, with an IP-Adapter",
        (_FEATURES, _STEERED),
    ),
    Held("FluxPipeline", _ONE_LOOK, (_FLUX_LOOKS,)),
    Held("FluxImg2ImgPipeline", _ONE_LOOK, (_FLUX_LOOKS,)),
    Held("FluxInpaintPipeline", _ONE_LOOK, (_FLUX_LOOKS,)),
    Held("FluxKontextPipeline", _ONE_LOOK, (_FLUX_LOOKS,)),
    Held("FluxKontextInpaintPipeline", _ONE_LOOK, (_FLUX_LOOKS,)),
    Held(
        "FluxControlNetPipeline",
        f"{_ONE_NET}, a union net, with an IP-Adapter",
        (_FLUX_NETS, _FLUX_UNION, _FLUX_BOTH),
    ),
    Held("FluxControlNetImg2ImgPipeline", f"{_ONE_NET}, a union net", (_FLUX_NETS_ELSE,)),
    Held("FluxControlNetInpaintPipeline", f"{_ONE_NET}, a union net", (_FLUX_NETS_ELSE,)),
    Held("FluxControlPipeline", "Canny or Depth, and their LoRAs over dev", (_SHOWN, _WORN)),
    Held("FluxControlImg2ImgPipeline", "Canny or Depth, and their LoRAs over dev", (_SHOWN, _WORN)),
    Held("FluxControlInpaintPipeline", "Canny or Depth, and their LoRAs over dev", (_SHOWN, _WORN)),
    Held("FluxPriorReduxPipeline", "a picture, several", (_REDUX,)),
)
"""What there is for Stable Diffusion 1.5, SDXL and FLUX.1."""

MISSING: Final[Mapping[str, str]] = {
    "StableDiffusionInstructPix2PixPipeline": "InstructPix2Pix is not run; Kontext edits by instruction",
}
"""Pipelines of these models that ours does not equal, and why."""

ELSEWHERE: Final[Mapping[str, str]] = {
    "pag": "perturbed attention is not offered",
    **dict.fromkeys(("animatediff", "cogvideo", "cosmos", "easyanimate"), "for videos"),
    **dict.fromkeys(
        (
            *("chroma", "cogview4", "controlnet_hunyuandit", "controlnet_sd3", "kolors", "qwenimage"),
            *("sana", "stable_diffusion_3", "z_image"),
        ),
        "for models of other families",
    ),
}
"""Folders of diffusers' pipelines that are left out, and why."""
