"""A diffusers folder, read without torch: its components, and the traits of a U-Net model in it.

A model is a folder with `model_index.json`. Beside it may lie `underpaint.json` with traits that the folder
cannot tell: title, license, native_size_px, size_multiple_px, min_size_px, max_size_px, default_steps,
default_guidance, default_scheduler; and for a model that knows few words vocabulary (lists of them) and
near_words (from other words to some of these).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from underpaint.engine.controls.bases import adapter_bases
from underpaint.engine.controls.describe import base_of_unet
from underpaint.engine.families.scheduler_names import SCHEDULERS, scheduler_name
from underpaint.errors import ModelUnusable
from underpaint.hookspecs import ModelTraits
from underpaint.weights.loras import unet_base

TRAITS_FILE = "underpaint.json"
"""Optional traits beside model_index.json."""
SHARED_KEY = "_shared_from"
"""Key of model_index.json: a sibling folder that holds the components which are not in this one."""


@dataclass(frozen=True)
class Defaults:
    """What a family's models are made for, where a folder does not say."""

    native_size: int
    guidance_scale: float
    scheduler: str
    steps: int = 20


def find_components(
    folder: Path, index: Mapping[str, Any], networks: Sequence[str], others: Sequence[str]
) -> dict[str, Path]:
    """Folders of components; `networks` are those with weights. Raises `ModelUnusable`."""
    found = {name: _component(folder, index, name) for name in (*networks, *others)}
    for name in networks:
        _check_weights(folder, found[name])
    return found


def unet_traits(
    folder: Path, components: Mapping[str, Path], defaults: Defaults, operations: tuple[str, ...]
) -> ModelTraits:
    """Traits of a model with a U-Net; one with extra channels can only inpaint. Raises `ModelUnusable`."""
    return traits_of(
        folder,
        components,
        unet=read_object(folder, components["unet"] / "config.json"),
        vae=read_object(folder, components["vae"] / "config.json"),
        scheduler=read_object(folder, components["scheduler"] / "scheduler_config.json"),
        traits=notes_of(folder),
        defaults=defaults,
        operations=operations,
    )


def traits_of(
    folder: Path,
    components: Mapping[str, Path],
    *,
    unet: Mapping[str, Any],
    vae: Mapping[str, Any],
    scheduler: Mapping[str, Any],
    traits: Mapping[str, Any],
    defaults: Defaults,
    operations: tuple[str, ...],
) -> ModelTraits:
    """The same from configurations that have been read; `traits` are those of `underpaint.json`."""
    channels = int(unet.get("in_channels", 0))
    latent = int(vae.get("latent_channels", 4))
    if channels not in (latent, 2 * latent + 1):
        raise unusable(
            folder,
            f"its U-Net takes {channels} channels; {latent} (plain) or {2 * latent + 1} (inpainting) can be "
            "run. Use a text-to-image or an inpainting checkpoint",
        )
    factor = vae_factor(vae)
    native = int(traits.get("native_size_px", int(unet.get("sample_size") or 0) * factor))
    native = native or defaults.native_size
    inpaints = channels != latent
    named = scheduler_name(scheduler, defaults.scheduler)
    told = told_traits(
        folder,
        components,
        traits=traits,
        defaults=replace(defaults, scheduler=named, native_size=native),
        operations=("inpaint",) if inpaints else operations,
        multiple=factor,
        schedulers=SCHEDULERS,
    )
    return replace(
        told,
        native_inpainting=inpaints,
        puts_back=bool(traits.get("puts_back", False)),
        fill_strength=float(traits.get("fill_strength", 1.0)),
        wordless_fill_strength=float(traits.get("wordless_fill_strength", 0.0)),
        agreement=float(traits["agreement"]) if "agreement" in traits else None,
        control_base=base_of_unet(unet, latent, factor),
        lora_base=unet_base(int(unet.get("cross_attention_dim", 1280))),
        adapter_bases=adapter_bases(unet, factor),
        regions=True,
    )


def told_traits(
    folder: Path,
    components: Mapping[str, Path],
    *,
    traits: Mapping[str, Any],
    defaults: Defaults,
    operations: tuple[str, ...],
    multiple: int,
    schedulers: Sequence[str],
) -> ModelTraits:
    """Traits of a model as its `underpaint.json` says, `traits`, or else as `defaults` do.

    Sides are in multiples of `multiple` pixels; `schedulers` are those of the family. Raises `ModelUnusable`.
    """
    chosen = str(traits.get("default_scheduler") or defaults.scheduler)
    if chosen not in schedulers:
        raise unusable(folder, f"{TRAITS_FILE} names the scheduler {chosen!r}, which is unknown")
    native = int(traits.get("native_size_px", defaults.native_size))
    return ModelTraits(
        operations=operations,
        components=components,
        title=str(traits.get("title", folder.name)),
        native_size=native,
        size_multiple=int(traits.get("size_multiple_px", multiple)),
        min_size=int(traits.get("min_size_px", max(multiple, native // 8))),
        max_size=int(traits.get("max_size_px", 4 * native)),
        default_steps=int(traits.get("default_steps", defaults.steps)),
        default_guidance_scale=float(traits.get("default_guidance", defaults.guidance_scale)),
        default_scheduler=chosen,
        license=str(traits.get("license", "")),
    )


def vae_factor(config: Mapping[str, Any]) -> int:
    """Pixels a latent cell spans along one side, from a VAE's configuration."""
    blocks: Sequence[int] = config.get("block_out_channels") or config.get("encoder_block_out_channels") or ()
    return int(2 ** (len(blocks) - 1)) if blocks else 8


def read_object(folder: Path, path: Path) -> Mapping[str, Any]:
    """A JSON object in a file of the model in `folder`. Raises `ModelUnusable`."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise unusable(folder, f"{path.name} of {path.parent.name!r} cannot be read ({error})") from error
    if not isinstance(content, dict):
        raise unusable(folder, f"{path.name} of {path.parent.name!r} holds no object")
    return content


def notes_of(folder: Path) -> Mapping[str, Any]:
    """What lies in the model's `underpaint.json`; nothing where there is none. Raises `ModelUnusable`."""
    path = folder / TRAITS_FILE
    return read_object(folder, path) if path.is_file() else {}


def unusable(folder: Path, why: str) -> ModelUnusable:
    """The error for a model that cannot be run."""
    return ModelUnusable(
        f"The model {folder.name!r} cannot be used: {why}.",
        metadata={"model": folder.name, "path": str(folder)},
    )


def _component(folder: Path, index: Mapping[str, Any], name: str) -> Path:
    own = folder / name
    if own.is_dir():
        return own
    shared = index.get(SHARED_KEY)
    if isinstance(shared, str) and shared:
        home = (folder / shared).resolve()
        # A model may borrow from a sibling, never from anywhere else on the disk.
        if home.parent != folder.resolve().parent:
            raise unusable(folder, f"{SHARED_KEY} {shared!r} leaves the folder that its models lie in")
        if (home / name).is_dir():
            return home / name
    raise unusable(folder, f"the component {name!r} is missing. Download the model again, completely")


def _check_weights(folder: Path, component: Path) -> None:
    if any(component.glob("*.safetensors")):
        return
    pickles = [*component.glob("*.bin"), *component.glob("*.ckpt"), *component.glob("*.pt")]
    if pickles:
        raise unusable(
            folder,
            f"the weights of {component.name!r} are a pickle, which can run any code when read. Get the "
            f"model as safetensors, or make one of each such file: underpaint models convert '{pickles[0]}'",
        )
    raise unusable(folder, f"the component {component.name!r} has no weights. Download the model again")
