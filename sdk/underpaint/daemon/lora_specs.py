"""LoRAs in specifications: named in a prompt or in a list, found, checked against the model."""

from __future__ import annotations

from collections.abc import Sequence

from underpaint.daemon.loras import FoundLora, LoraIndex, fits
from underpaint.daemon.scan import FoundModel
from underpaint.errors import Violation
from underpaint.prompts import choose, region_label, take_loras
from underpaint.v1.job_service_pb2 import JobSpec, Lora, Region
from underpaint.wire.limits import raise_for
from underpaint.wire.loras import check_loras, complete_lora
from underpaint.wire.regions import check_regions
from underpaint.worker_v1.worker_service_pb2 import LoraSource

_NEAR = 8


async def resolve_loras(spec: JobSpec, model: FoundModel, index: LoraIndex) -> None:
    """Completes the LoRAs of a specification whose seed is known, those in its prompts among them.

    The tags go out of the prompts, a region's to the region's own; of wildcards around one the seed chooses
    here. Names become those of the index; what one list names twice counts with the sum of its strengths.
    Raises InvalidRequest, ModelNotFound or ModelUnusable.
    """
    _refuse_unwanted(spec)
    named: dict[str, tuple[JobSpec | Region, str]] = {"spec": (spec, "prompt")}
    for number, region in enumerate(spec.regions):
        named[f"spec.regions[{number}]"] = (region, region_label(number))
    for where, (place, label) in named.items():
        await _complete(place, where, label, spec.seed, model, index)
    raise_for(check_regions(spec, "spec"))


async def lora_sources(spec: JobSpec, index: LoraIndex) -> list[LoraSource]:
    """What a worker needs for each LoRA of a resolved specification, then for those of its regions alone.

    Raises ModelNotFound or ModelUnusable if one has gone since the job was queued.
    """
    names = [lora.name for lora in spec.loras]
    theirs = dict.fromkeys(lora.name for region in spec.regions for lora in region.loras)
    found = [await index.find(name) for name in (*names, *(one for one in theirs if one not in names))]
    return [LoraSource(name=one.name, path=str(one.path)) for one in found]


async def _complete(
    place: JobSpec | Region, where: str, label: str, seed: int, model: FoundModel, index: LoraIndex
) -> None:
    tags = _take_tags(place, f"{where}.prompt", label, seed)
    listed = len(place.loras)
    named = [*place.loras, *tags]
    if not named:
        return
    raise_for(
        [Violation(f"{where}.prompt", f"{one.field}: {one.description}") for one in check_loras(tags, "LoRA")]
    )
    raise_for(check_loras(named, where))
    together: dict[str, Lora] = {}
    for number, lora in enumerate(named):
        field = f"{where}.loras[{number}].name" if number < listed else f"{where}.prompt"
        complete_lora(lora)
        found = await index.find(lora.name)
        await _check_fit(found, field, model, index)
        lora.name = found.name
        known = together.setdefault(found.name, lora)
        if known is not lora:
            known.strength += lora.strength
            known.text_encoder_strength += lora.text_encoder_strength
    del place.loras[:]
    place.loras.extend(together.values())


def _refuse_unwanted(spec: JobSpec) -> None:
    others = {"spec.negative_prompt": spec.negative_prompt}
    for number, one in enumerate(spec.regions):
        others[f"spec.regions[{number}].negative_prompt"] = one.negative_prompt
    for where, prompt in others.items():
        _, unwanted = take_loras(prompt, where)
        if unwanted:
            text = f"names the LoRA {unwanted[0].name!r}, which counts for what is wanted: name it in prompt"
            raise_for([Violation(where, text)])


def _take_tags(place: JobSpec | Region, where: str, label: str, seed: int) -> Sequence[Lora]:
    _, found = take_loras(place.prompt, where)
    if not found:
        return ()
    if "{" in place.prompt:
        # An option that is not chosen names no LoRA.
        place.prompt = choose(place.prompt, seed, label)
    place.prompt, found = take_loras(place.prompt, where)
    return [
        Lora(name=tag.name, strength=tag.strength, text_encoder_strength=tag.text_encoder_strength)
        for tag in found
    ]


async def _check_fit(lora: FoundLora, where: str, model: FoundModel, index: LoraIndex) -> None:
    if fits(lora, model):
        return
    base = model.traits.lora_base if model.traits else ""
    if not base:
        raise_for([Violation(where, f"the model {model.name!r} takes no LoRAs: choose another model")])
    others = [one.name for one in await index.all() if fits(one, model)]
    listed = ", ".join(others[:_NEAR]) + (" …" if len(others) > _NEAR else "")
    text = (
        f"the LoRA {lora.name!r} does not fit the model {model.name!r}: it is made for "
        f"{lora.header.base or lora.told}, not for {base}; these fit: {listed or 'none yet'}"
    )
    raise_for([Violation(where, text)])
