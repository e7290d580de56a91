"""Stable Diffusion 1.5 and whatever shares its architecture, described without torch.

A model is a diffusers folder with `model_index.json`. Beside it may lie `underpaint.json` with traits that
the folder cannot tell: title, license, native_size_px, size_multiple_px, min_size_px, max_size_px,
default_steps, default_guidance, default_scheduler; and for a model that knows few words vocabulary (lists of
them) and near_words (from other words to some of these).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from underpaint.errors import ModelUnusable
from underpaint.hookspecs import FamilyDescriptor, ModelTraits, hookimpl

SCHEDULERS = (
    "ddim",
    "euler",
    "euler-a",
    "dpmpp-2m",
    "dpmpp-2m-karras",
    "unipc",
    "heun",
    "lcm",
    "dpmpp-sde-karras",
)
COMPONENTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
TRAITS_FILE = "underpaint.json"
"""Optional traits beside model_index.json."""
SHARED_KEY = "_shared_from"
"""Key of model_index.json: a sibling folder that holds the components which are not in this one."""

_PIPELINES = {
    "StableDiffusionPipeline",
    "StableDiffusionImg2ImgPipeline",
    "StableDiffusionInpaintPipeline",
    "LatentConsistencyModelPipeline",
    "LatentConsistencyModelImg2ImgPipeline",
}
_WEIGHTS = ("unet", "vae", "text_encoder")
_SCHEDULER_NAMES = {
    "DDIMScheduler": "ddim",
    "PNDMScheduler": "ddim",
    "EulerDiscreteScheduler": "euler",
    "EulerAncestralDiscreteScheduler": "euler-a",
    "DPMSolverMultistepScheduler": "dpmpp-2m",
    "UniPCMultistepScheduler": "unipc",
    "HeunDiscreteScheduler": "heun",
    "LCMScheduler": "lcm",
}


def recognise(folder: Path, model_index: Mapping[str, Any]) -> ModelTraits | None:
    """The traits of a model of this family, None for another family's. Reads JSON files only.

    Raises `ModelUnusable` where a component is missing, weights exist only as pickles, or the U-Net is not
    one of the kinds that the family runs.
    """
    if model_index.get("_class_name") not in _PIPELINES:
        return None
    components = {name: _component(folder, model_index, name) for name in COMPONENTS}
    for name in _WEIGHTS:
        _check_weights(folder, components[name])
    unet = _json(folder, components["unet"] / "config.json")
    vae = _json(folder, components["vae"] / "config.json")
    channels = int(unet.get("in_channels", 0))
    latent = int(vae.get("latent_channels", 4))
    if channels not in (latent, 2 * latent + 1):
        raise _unusable(
            folder,
            f"its U-Net takes {channels} channels; {latent} (plain) or {2 * latent + 1} (inpainting) can be "
            "run. Use a text-to-image or an inpainting checkpoint",
        )
    traits = _json(folder, folder / TRAITS_FILE) if (folder / TRAITS_FILE).is_file() else {}
    factor = vae_factor(vae)
    native = int(traits.get("native_size_px", int(unet.get("sample_size") or 64) * factor))
    scheduler = _json(folder, components["scheduler"] / "scheduler_config.json")
    default_scheduler = str(
        traits.get("default_scheduler") or _SCHEDULER_NAMES.get(str(scheduler.get("_class_name")), "ddim")
    )
    if default_scheduler not in SCHEDULERS:
        raise _unusable(folder, f"{TRAITS_FILE} names the scheduler {default_scheduler!r}, which is unknown")
    inpaints = channels != latent
    return ModelTraits(
        operations=("inpaint",) if inpaints else ("txt2img", "img2img", "inpaint"),
        components=components,
        title=str(traits.get("title", folder.name)),
        native_size=native,
        size_multiple=int(traits.get("size_multiple_px", factor)),
        min_size=int(traits.get("min_size_px", max(factor, native // 8))),
        max_size=int(traits.get("max_size_px", 4 * native)),
        default_steps=int(traits.get("default_steps", 20)),
        default_guidance_scale=float(traits.get("default_guidance", 7.5)),
        default_scheduler=default_scheduler,
        native_inpainting=inpaints,
        license=str(traits.get("license", "")),
    )


def vae_factor(config: Mapping[str, Any]) -> int:
    """Pixels a latent cell spans along one side, from a VAE's configuration."""
    blocks: Sequence[int] = config.get("block_out_channels") or config.get("encoder_block_out_channels") or ()
    return int(2 ** (len(blocks) - 1)) if blocks else 8


def _component(folder: Path, index: Mapping[str, Any], name: str) -> Path:
    own = folder / name
    if own.is_dir():
        return own
    shared = index.get(SHARED_KEY)
    if isinstance(shared, str) and shared:
        home = (folder / shared).resolve()
        # A model may borrow from a sibling, never from anywhere else on the disk.
        if home.parent != folder.resolve().parent:
            raise _unusable(folder, f"{SHARED_KEY} {shared!r} leaves the folder that its models lie in")
        if (home / name).is_dir():
            return home / name
    raise _unusable(folder, f"the component {name!r} is missing. Download the model again, completely")


def _check_weights(folder: Path, component: Path) -> None:
    if any(component.glob("*.safetensors")):
        return
    if [*component.glob("*.bin"), *component.glob("*.ckpt"), *component.glob("*.pt")]:
        raise _unusable(
            folder,
            f"the weights of {component.name!r} are a pickle, which can run any code when read. Get the "
            "model as safetensors, or convert it (diffusers: save_pretrained(..., safe_serialization=True))",
        )
    raise _unusable(folder, f"the component {component.name!r} has no weights. Download the model again")


def _json(folder: Path, path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _unusable(folder, f"{path.name} of {path.parent.name!r} cannot be read ({error})") from error
    if not isinstance(content, dict):
        raise _unusable(folder, f"{path.name} of {path.parent.name!r} holds no object")
    return content


def _unusable(folder: Path, why: str) -> ModelUnusable:
    return ModelUnusable(
        f"The model {folder.name!r} cannot be used: {why}.",
        metadata={"model": folder.name, "path": str(folder)},
    )


@hookimpl
def underpaint_families() -> Sequence[FamilyDescriptor]:
    """This family."""
    return [
        FamilyDescriptor(
            name="sd15",
            title="Stable Diffusion 1.5",
            engine="underpaint.engine.families.sd15:StableDiffusion15",
            schedulers=SCHEDULERS,
            recognise=recognise,
        )
    ]
