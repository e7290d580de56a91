"""Stable Diffusion 1.5 and whatever shares its architecture, described without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from underpaint.engine.controls.describe import SIZES, describe_control_net
from underpaint.engine.controls.describe_adapter import describe_adapter, describe_adapter_file
from underpaint.engine.controls.describe_file import describe_net_file
from underpaint.engine.controls.describe_reference import describe_reference
from underpaint.engine.controls.describe_union import describe_union
from underpaint.engine.families import presets
from underpaint.engine.families.folder import Defaults, find_components, unet_traits
from underpaint.engine.families.scheduler_names import SCHEDULERS
from underpaint.engine.families.scheduler_parameters import described
from underpaint.engine.families.single_file import file_components, file_traits
from underpaint.hookspecs import Companions, ControlTraits, FamilyDescriptor, ModelTraits, hookimpl
from underpaint.weights import Probe, kinds

_PIPELINES = {
    "StableDiffusionPipeline",
    "StableDiffusionImg2ImgPipeline",
    "StableDiffusionInpaintPipeline",
    "LatentConsistencyModelPipeline",
    "LatentConsistencyModelImg2ImgPipeline",
}
_NETWORKS = ("unet", "vae", "text_encoder")
_OPERATIONS = ("txt2img", "img2img", "inpaint")
_DEFAULTS = Defaults(native_size=512, guidance_scale=7.5, scheduler="ddim")


def recognise(folder: Path, model_index: Mapping[str, Any]) -> ModelTraits | None:
    """The traits of a model of this family, None for another family's. Reads JSON files only.

    Raises `ModelUnusable` where a component is missing, weights exist only as pickles, or the U-Net is not
    one of the kinds that the family runs.
    """
    if model_index.get("_class_name") not in _PIPELINES:
        return None
    components = find_components(folder, model_index, _NETWORKS, ("tokenizer", "scheduler"))
    return unet_traits(folder, components, _DEFAULTS, _OPERATIONS)


def recognise_file(path: Path, probe: Probe, companions: Companions) -> ModelTraits | None:
    """The traits of a checkpoint in one file, None for another family's or another kind of file.

    Raises `ModelUnusable` where it lacks a part, or no tokenizer is to be found.
    """
    if probe.kind != kinds.CHECKPOINT or probe.family not in ("sd15", "sd15-inpaint"):
        return None
    return traits_of_file(path, file_components(path, probe, companions))


def traits_of_file(path: Path, components: Mapping[str, Path]) -> ModelTraits:
    """The traits of a checkpoint whose components are known."""
    return file_traits(path, components, _DEFAULTS, _OPERATIONS)


def recognise_control(folder: Path, config: Mapping[str, Any]) -> ControlTraits | None:
    """The traits of a control model for this family, None for another's. Raises `ModelUnusable`."""
    adapter = describe_adapter(folder, config, sdxl=False)
    if adapter is None and config.get("addition_embed_type") != SIZES:
        return describe_control_net(folder, config) or describe_union(folder, config)
    return adapter


def recognise_control_file(path: Path, kind: str) -> ControlTraits | None:
    """The same for a control model in one file; `kind` is what its header says."""
    if kind == kinds.T2I_ADAPTER:
        return describe_adapter_file(path, sdxl=False)
    if kind == kinds.CONTROL_NET:
        return describe_net_file(path, sdxl=False)
    return describe_reference(path, sdxl=False) if kind == kinds.IP_ADAPTER else None


@hookimpl
def underpaint_families() -> Sequence[FamilyDescriptor]:
    """This family."""
    return [
        FamilyDescriptor(
            name="sd15",
            title="Stable Diffusion 1.5",
            engine="underpaint.engine.families.sd15:StableDiffusion15",
            schedulers=SCHEDULERS,
            scheduler_info=described(SCHEDULERS),
            presets=presets.SD15,
            recognise=recognise,
            recognise_control=recognise_control,
            recognise_control_file=recognise_control_file,
            recognise_file=recognise_file,
        )
    ]
