"""Stable Diffusion XL and whatever shares its architecture, described without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from underpaint.engine.controls.describe import SIZES, describe_control_net
from underpaint.engine.controls.describe_adapter import describe_adapter, describe_adapter_file
from underpaint.engine.controls.describe_file import describe_net_file
from underpaint.engine.controls.describe_reference import describe_reference
from underpaint.engine.controls.describe_union import describe_union
from underpaint.engine.families import presets
from underpaint.engine.families.folder import Defaults, find_components, read_object, unet_traits, unusable
from underpaint.engine.families.scheduler_names import SCHEDULERS
from underpaint.engine.families.scheduler_parameters import described
from underpaint.engine.families.sdxl_refiner import refiner_components
from underpaint.engine.families.single_file import file_components, file_traits, index_of, sidecar
from underpaint.hookspecs import Companions, ControlTraits, FamilyDescriptor, ModelTraits, hookimpl
from underpaint.weights import Probe, kinds

_PIPELINES = {
    "StableDiffusionXLPipeline",
    "StableDiffusionXLImg2ImgPipeline",
    "StableDiffusionXLInpaintPipeline",
}
_BASE = ("unet", "vae", "text_encoder", "text_encoder_2")
_REFINER = ("unet", "vae", "text_encoder_2")
_DEFAULTS = Defaults(native_size=1024, guidance_scale=5.0, scheduler="euler", steps=30)


def recognise(folder: Path, model_index: Mapping[str, Any]) -> ModelTraits | None:
    """The traits of a model of this family, None for another family's. Reads JSON files only.

    A refiner has no picture of its own to start with: it takes a finished one (img2img, inpaint). Raises
    `ModelUnusable` where a component is missing, weights exist only as pickles, or the U-Net is not one of
    the kinds that the family runs.
    """
    if model_index.get("_class_name") not in _PIPELINES:
        return None
    refiner = is_refiner(model_index)
    components = find_components(
        folder, model_index, _networks(refiner), (*_tokenizers(refiner), "scheduler")
    )
    unet = read_object(folder, components["unet"] / "config.json")
    if unet.get("addition_embed_type") != SIZES:
        raise unusable(folder, "its U-Net takes no sizes and pooled text. Use an SDXL checkpoint")
    traits = unet_traits(folder, components, _DEFAULTS, _operations(refiner))
    if "txt2img" in traits.operations:
        # Those that only inpaint have no use for another model's last steps.
        return replace(traits, components={**components, **refiner_components(folder)})
    return traits


def recognise_file(path: Path, probe: Probe, companions: Companions) -> ModelTraits | None:
    """The traits of a checkpoint in one file, None for another family's or another kind of file.

    Raises `ModelUnusable` where it lacks a part, or no tokenizer is to be found.
    """
    if probe.kind != kinds.CHECKPOINT or probe.family not in ("sdxl", "sdxl-inpaint", "sdxl-refiner"):
        return None
    refiner = probe.family == "sdxl-refiner"
    components = file_components(path, probe, companions, _networks(refiner), _tokenizers(refiner))
    return traits_of_file(path, components)


def traits_of_file(path: Path, components: Mapping[str, Path]) -> ModelTraits:
    """The traits of a checkpoint whose components are known. Raises `ModelUnusable`."""
    beside = sidecar(path)
    if beside.is_file() and read_object(path, beside).get("refiner") is not None:
        raise unusable(
            path,
            f"{beside.name} names a refiner, which only a base model in a diffusers folder can. Take the "
            "line out, and use the refiner by itself on the finished picture",
        )
    refiner = is_refiner(index_of(path, components))
    return file_traits(path, components, _DEFAULTS, _operations(refiner))


def _networks(refiner: bool) -> tuple[str, ...]:
    return _REFINER if refiner else _BASE


def _tokenizers(refiner: bool) -> tuple[str, ...]:
    return ("tokenizer_2",) if refiner else ("tokenizer", "tokenizer_2")


def _operations(refiner: bool) -> tuple[str, ...]:
    return ("img2img", "inpaint") if refiner else ("txt2img", "img2img", "inpaint")


def is_refiner(model_index: Mapping[str, Any]) -> bool:
    """Whether a model has SDXL's second text encoder only, as its refiner does."""
    named = model_index.get("text_encoder")
    return not (isinstance(named, (list, tuple)) and any(named))


def recognise_control(folder: Path, config: Mapping[str, Any]) -> ControlTraits | None:
    """The traits of a control model for this family, None for another's. Raises `ModelUnusable`."""
    adapter = describe_adapter(folder, config, sdxl=True)
    if adapter is None and config.get("addition_embed_type") == SIZES:
        return describe_control_net(folder, config) or describe_union(folder, config)
    return adapter


def recognise_control_file(path: Path, kind: str) -> ControlTraits | None:
    """The same for a control model in one file; `kind` is what its header says."""
    if kind == kinds.T2I_ADAPTER:
        return describe_adapter_file(path, sdxl=True)
    if kind == kinds.CONTROL_NET:
        return describe_net_file(path, sdxl=True)
    return describe_reference(path, sdxl=True) if kind == kinds.IP_ADAPTER else None


@hookimpl
def underpaint_families() -> Sequence[FamilyDescriptor]:
    """This family."""
    return [
        FamilyDescriptor(
            name="sdxl",
            title="Stable Diffusion XL",
            engine="underpaint.engine.families.sdxl:StableDiffusionXL",
            schedulers=SCHEDULERS,
            scheduler_info=described(SCHEDULERS),
            presets=presets.SDXL,
            recognise=recognise,
            recognise_control=recognise_control,
            recognise_control_file=recognise_control_file,
            recognise_file=recognise_file,
        )
    ]
