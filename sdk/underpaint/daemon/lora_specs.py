"""LoRAs in specifications: named in the prompt or in a list, found, checked against the model."""

from __future__ import annotations

from collections.abc import Sequence

from underpaint.daemon.loras import FoundLora, LoraIndex, fits
from underpaint.daemon.scan import FoundModel
from underpaint.errors import Violation
from underpaint.prompts import choose, take_loras
from underpaint.v1.job_service_pb2 import JobSpec, Lora
from underpaint.wire.limits import raise_for
from underpaint.wire.loras import check_loras, complete_lora
from underpaint.worker_v1.worker_service_pb2 import LoraSource

_NEAR = 8


async def resolve_loras(spec: JobSpec, model: FoundModel, index: LoraIndex) -> None:
    """Completes the LoRAs of a specification whose seed is known, those in its prompt among them.

    The tags go out of the prompt; of wildcards around one the seed chooses here. Names become those of the
    index; what is named twice counts with the sum of its strengths. Raises InvalidRequest, ModelNotFound or
    ModelUnusable.
    """
    tags = _take_tags(spec)
    named = [*spec.loras, *tags]
    if not named:
        return
    raise_for(
        [Violation("spec.prompt", f"{one.field}: {one.description}") for one in check_loras(tags, "LoRA")]
    )
    raise_for(check_loras(named, "spec"))
    together: dict[str, Lora] = {}
    for number, lora in enumerate(named):
        where = f"spec.loras[{number}].name" if number < len(spec.loras) else "spec.prompt"
        complete_lora(lora)
        found = await index.find(lora.name)
        await _check_fit(found, where, model, index)
        lora.name = found.name
        known = together.setdefault(found.name, lora)
        if known is not lora:
            known.strength += lora.strength
            known.text_encoder_strength += lora.text_encoder_strength
    del spec.loras[:]
    spec.loras.extend(together.values())


async def lora_sources(spec: JobSpec, index: LoraIndex) -> list[LoraSource]:
    """What a worker needs for each LoRA of a resolved specification.

    Raises ModelNotFound or ModelUnusable if one has gone since the job was queued.
    """
    found = [await index.find(lora.name) for lora in spec.loras]
    return [LoraSource(name=one.name, path=str(one.path)) for one in found]


def _take_tags(spec: JobSpec) -> Sequence[Lora]:
    others = {"spec.negative_prompt": spec.negative_prompt}
    for number, one in enumerate(spec.regions):
        if one.loras:
            raise_for([Violation(f"spec.regions[{number}].loras", "are not painted with by this release")])
        others[f"spec.regions[{number}].prompt"] = one.prompt
        others[f"spec.regions[{number}].negative_prompt"] = one.negative_prompt
    for where, prompt in others.items():
        _, unwanted = take_loras(prompt, where)
        if unwanted:
            text = (
                f"names the LoRA {unwanted[0].name!r}; a LoRA counts for the whole picture: name it in prompt"
            )
            raise_for([Violation(where, text)])
    _, found = take_loras(spec.prompt)
    if not found:
        return ()
    if "{" in spec.prompt:
        # An option that is not chosen names no LoRA.
        spec.prompt = choose(spec.prompt, spec.seed)
    spec.prompt, found = take_loras(spec.prompt)
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
