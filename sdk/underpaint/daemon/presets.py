"""Presets in specifications: resolved into plain values, with the LoRA that they need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from underpaint.daemon.loras import FoundLora, LoraIndex, fits, is_called
from underpaint.daemon.scan import FoundModel
from underpaint.errors import Violation
from underpaint.hookspecs import Preset
from underpaint.types import PresetInfo
from underpaint.v1.job_service_pb2 import JobSpec
from underpaint.wire.limits import raise_for

Called = Mapping[str, Sequence[FoundLora]]
"""LoRAs by the pattern that finds their names."""
ROOTS = "a folder of models ('underpaint models roots list' shows yours)"


async def apply_preset(spec: JobSpec, model: FoundModel, index: LoraIndex) -> None:
    """Puts a preset's values where a specification has none, and forgets its name.

    Raises InvalidRequest where the model's family has no such preset, or no LoRA is there that it needs.
    """
    if not spec.preset:
        return
    presets = model.family.presets if model.family is not None else ()
    preset = next((one for one in presets if one.name == spec.preset), None)
    if preset is None:
        names = ", ".join(one.name for one in presets) or "none"
        text = f"{spec.preset[:60]!r} is none of the presets for the model {model.name!r}: {names}"
        raise_for([Violation("spec.preset", text)])
        raise AssertionError("raise_for raises")
    info = to_preset_info(preset, model, await index.called(_patterns([preset])))
    if info.problem:
        raise_for([Violation("spec.preset", info.problem)])
    spec.steps = spec.steps or preset.steps
    if not spec.HasField("guidance_scale"):
        spec.guidance_scale = preset.guidance_scale
    if spec.scheduler in ("", preset.scheduler):
        spec.scheduler = preset.scheduler
        for name, value in preset.scheduler_parameters.items():
            if name not in spec.scheduler_parameters:
                spec.scheduler_parameters[name] = value
    named = {lora.name for lora in spec.loras}
    if info.lora and not named & {info.lora, info.lora.rpartition("/")[2]}:
        spec.loras.add(name=info.lora, strength=info.lora_strength)
    spec.ClearField("preset")


def to_preset_info(preset: Preset, model: FoundModel, loras: Called) -> PresetInfo:
    """As it is listed for a model."""
    wanted = preset.lora
    lora = problem = ""
    if wanted is not None and not is_called(wanted.pattern, model.name, _title(model)):
        lora = next((one.name for one in loras[wanted.pattern] if fits(one, model)), "")
        if not lora:
            problem = (
                f"it needs a LoRA that is not there: get {wanted.file} of {wanted.repository} (Hugging Face) "
                f"and put it into {ROOTS}, under a name that says what it is"
            )
    return PresetInfo(
        name=preset.name,
        title=preset.title,
        scheduler=preset.scheduler,
        scheduler_parameters=dict(preset.scheduler_parameters),
        steps=preset.steps,
        guidance_scale=preset.guidance_scale,
        lora=lora,
        lora_strength=wanted.strength if wanted is not None else 1.0,
        problem=problem,
    )


async def loras_for(models: Iterable[FoundModel], index: LoraIndex) -> Called:
    """The LoRAs that presets of these models may put on."""
    families = {model.family.name: model.family for model in models if model.family is not None}
    return await index.called(_patterns(one for family in families.values() for one in family.presets))


def presets_of(model: FoundModel, loras: Called) -> tuple[PresetInfo, ...]:
    """The presets that a model takes; `loras` as `loras_for` finds them."""
    if model.family is None or model.traits is None:
        return ()
    return tuple(to_preset_info(preset, model, loras) for preset in model.family.presets)


def _patterns(presets: Iterable[Preset]) -> list[str]:
    return [preset.lora.pattern for preset in presets if preset.lora is not None]


def _title(model: FoundModel) -> str:
    return model.traits.title if model.traits is not None else ""
