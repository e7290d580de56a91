"""Which folders are Stable Diffusion 3's. The daemon imports this: no torch here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from underpaint.engine.families.folder import (
    Defaults,
    find_components,
    notes_of,
    read_object,
    told_traits,
    unusable,
    vae_factor,
)
from underpaint.engine.families.scheduler_names import FLOW_SCHEDULERS
from underpaint.hookspecs import FamilyDescriptor, ModelTraits, hookimpl

PIPELINES = ("StableDiffusion3Pipeline", "StableDiffusion3Img2ImgPipeline", "StableDiffusion3InpaintPipeline")
NETWORKS = ("transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3")
OTHERS = ("tokenizer", "tokenizer_2", "tokenizer_3", "scheduler")
DEFAULTS = Defaults(native_size=1024, guidance_scale=7.0, scheduler="flow-match-euler", steps=28)


def recognise(folder: Path, model_index: Mapping[str, Any]) -> ModelTraits | None:
    """The traits of a model of this family, None for another family's. Raises `ModelUnusable`."""
    if model_index.get("_class_name") not in PIPELINES:
        return None
    components = find_components(folder, model_index, NETWORKS, OTHERS)
    transformer = read_object(folder, components["transformer"] / "config.json")
    vae = read_object(folder, components["vae"] / "config.json")
    if transformer.get("in_channels") != vae.get("latent_channels"):
        raise unusable(folder, "its transformer takes more than the latents; use SD 3 or 3.5 itself")
    return told_traits(
        folder,
        components,
        traits=notes_of(folder),
        defaults=DEFAULTS,
        operations=("txt2img", "img2img", "inpaint"),
        multiple=vae_factor(vae) * int(transformer.get("patch_size", 2)),
        schedulers=FLOW_SCHEDULERS,
    )


@hookimpl
def underpaint_families() -> Sequence[FamilyDescriptor]:
    """This family."""
    return [
        FamilyDescriptor(
            name="sd3",
            title="Stable Diffusion 3",
            engine="underpaint_sd3.family:StableDiffusion3",
            schedulers=FLOW_SCHEDULERS,
            recognise=recognise,
        )
    ]
