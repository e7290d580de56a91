"""FLUX.1 and whatever shares its architecture, described without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from underpaint.engine.families import presets
from underpaint.engine.families.flux_files import flux_components
from underpaint.engine.families.folder import (
    Defaults,
    find_components,
    notes_of,
    read_object,
    told_traits,
    unusable,
    vae_factor,
)
from underpaint.engine.families.scheduler_names import FLOW_SCHEDULERS, scheduler_name
from underpaint.engine.families.scheduler_parameters import described
from underpaint.engine.families.single_file import CONFIG, index_of, sidecar
from underpaint.engine.flux.describe_lora import describe_control_lora
from underpaint.engine.flux.describe_net import (
    base_of_transformer,
    describe_flux_net,
    describe_flux_net_file,
)
from underpaint.engine.flux.describe_redux import describe_redux, describe_redux_file, words_base
from underpaint.engine.flux.describe_reference import describe_flux_reference, reference_base
from underpaint.engine.flux.describe_shown import role_of
from underpaint.hookspecs import Companions, ControlTraits, FamilyDescriptor, ModelTraits, hookimpl
from underpaint.weights import Probe, kinds
from underpaint.weights.loras import flux_base

_PIPELINES = {
    "FluxPipeline",
    "FluxImg2ImgPipeline",
    "FluxInpaintPipeline",
    "FluxFillPipeline",
    "FluxKontextPipeline",
    "FluxControlPipeline",
    "FluxControlImg2ImgPipeline",
    "FluxControlInpaintPipeline",
}
_KONTEXT = "FluxKontextPipeline"
_NETWORKS = ("transformer", "vae", "text_encoder", "text_encoder_2")
_OTHERS = ("tokenizer", "tokenizer_2", "scheduler")
_PATCH = 4
"""Cells in one token."""
_DEV = Defaults(native_size=1024, guidance_scale=3.5, scheduler="flow-match-euler", steps=28)
_SCHNELL = replace(_DEV, guidance_scale=1.0, steps=4)
_FILL = replace(_DEV, guidance_scale=30.0, steps=50)
_SHOWN = replace(_DEV, guidance_scale=10.0, steps=30)
_KONTEXT_DEFAULTS = replace(_DEV, guidance_scale=2.5)


def recognise(folder: Path, model_index: Mapping[str, Any]) -> ModelTraits | None:
    """The traits of a model of this family, None for another family's. Reads JSON files only.

    Raises `ModelUnusable` where a component is missing, weights exist only as pickles, or the transformer is
    not one of the kinds that the family runs.
    """
    if model_index.get("_class_name") not in _PIPELINES:
        return None
    components = find_components(folder, model_index, _NETWORKS, _OTHERS)
    notes = notes_of(folder)
    return _traits(folder, components, folder, notes, model_index)


def recognise_file(path: Path, probe: Probe, companions: Companions) -> ModelTraits | None:
    """The traits of a checkpoint, or of a transformer alone; None for another family's or kind of file.

    Raises `ModelUnusable` where something is missing that neither the file nor another one has.
    """
    components = flux_components(path, probe, companions)
    return None if components is None else traits_of_file(path, components)


def traits_of_file(path: Path, components: Mapping[str, Path]) -> ModelTraits:
    """The traits of a file whose components are known."""
    beside = sidecar(path)
    notes = {"title": path.stem, **(read_object(path, beside) if beside.is_file() else {})}
    return _traits(path, components, components[CONFIG], notes, index_of(path, components))


def _traits(
    model: Path,
    components: Mapping[str, Path],
    home: Path,
    notes: Mapping[str, Any],
    model_index: Mapping[str, Any],
) -> ModelTraits:
    """`home` has the configurations of networks that are files, `notes` is what `underpaint.json` says."""
    transformer, vae = (
        read_object(model, (place if place.is_dir() else home / part) / "config.json")
        for part, place in (("transformer", components["transformer"]), ("vae", components["vae"]))
    )
    factor = vae_factor(vae)
    fills = _fills(model, transformer, vae, factor)
    defaults, operations = _made_for(transformer, fills, is_kontext(model_index))
    reads = int(transformer.get("in_channels", 0)) == 2 * _PATCH * int(vae.get("latent_channels", 4))
    if reads:
        defaults, operations = _SHOWN, ("txt2img", "img2img", "inpaint")
    scheduler = read_object(model, components["scheduler"] / "scheduler_config.json")
    named = scheduler_name(scheduler, defaults.scheduler)
    traits = told_traits(
        model,
        components,
        traits=notes,
        # A model that names another kind of scheduler runs with the family's first.
        defaults=replace(defaults, scheduler=named) if named in FLOW_SCHEDULERS else defaults,
        operations=operations,
        multiple=2 * factor,
        schedulers=FLOW_SCHEDULERS,
    )
    width = int(transformer.get("num_attention_heads", 24)) * int(transformer.get("attention_head_dim", 128))
    # Nets see the latents alone: neither what Fill has beside them nor what Kontext has behind.
    plain = not fills and not reads and not is_kontext(model_index)
    return replace(
        traits,
        native_inpainting=fills,
        regions=True,
        shown_role=role_of(model, notes) if reads else "",
        lora_base=flux_base(width),
        control_base=base_of_transformer(transformer) if plain else "",
        adapter_bases={
            kinds.REDUX: words_base(int(transformer.get("joint_attention_dim", 4096))),
            kinds.IP_ADAPTER: reference_base(transformer),
            kinds.CONTROL_LORA: flux_base(width) if plain else "",
        },
    )


def is_kontext(model_index: Mapping[str, Any]) -> bool:
    """Whether a model was trained to look at a picture; nothing but its index tells."""
    return model_index.get("_class_name") == _KONTEXT


def _fills(folder: Path, transformer: Mapping[str, Any], vae: Mapping[str, Any], factor: int) -> bool:
    """Whether a transformer takes a mask, pixel by pixel, and a masked picture beside the latents."""
    channels, latent = int(transformer.get("in_channels", 0)), int(vae.get("latent_channels", 4))
    plain, filling = _PATCH * latent, _PATCH * (2 * latent + factor * factor)
    if channels not in (plain, 2 * plain, filling):
        raise unusable(
            folder,
            f"its transformer takes {channels} channels; {plain} (plain, Kontext), {2 * plain} (Canny, "
            f"Depth) or {filling} (Fill) can be run. Use FLUX.1 dev, schnell, Fill, Kontext, Canny or Depth",
        )
    return channels == filling


def _made_for(transformer: Mapping[str, Any], fills: bool, kontext: bool) -> tuple[Defaults, tuple[str, ...]]:
    if fills:
        return _FILL, ("inpaint",)
    if kontext:
        return _KONTEXT_DEFAULTS, ("txt2img", "edit", "inpaint")
    guided = bool(transformer.get("guidance_embeds", False))
    return (_DEV if guided else _SCHNELL), ("txt2img", "img2img", "inpaint")


def recognise_control(folder: Path, config: Mapping[str, Any]) -> ControlTraits | None:
    """The traits of a control net for this family or of Redux; None for others. Raises `ModelUnusable`."""
    return describe_flux_net(folder, config) or describe_redux(folder, config)


def recognise_control_file(path: Path, kind: str) -> ControlTraits | None:
    """The same for a control model in one file; `kind` is what its header says."""
    if kind == kinds.CONTROL_LORA:
        return describe_control_lora(path)
    if kind == kinds.REDUX:
        return describe_redux_file(path)
    if kind == kinds.CONTROL_NET:
        return describe_flux_net_file(path)
    return describe_flux_reference(path) if kind == kinds.IP_ADAPTER else None


@hookimpl
def underpaint_families() -> Sequence[FamilyDescriptor]:
    """This family."""
    return [
        FamilyDescriptor(
            name="flux",
            title="FLUX.1",
            engine="underpaint.engine.families.flux:Flux",
            schedulers=FLOW_SCHEDULERS,
            scheduler_info=described(FLOW_SCHEDULERS),
            presets=presets.FLUX,
            recognise=recognise,
            recognise_control=recognise_control,
            recognise_control_file=recognise_control_file,
            recognise_file=recognise_file,
        )
    ]
