"""A panel's list of LoRAs, and its choice of a preset: what fits a model, what is wrong, what is remembered.

The rows are `Lora` values themselves. Which LoRAs there are is asked by `Session.loras`; presets come with
the models.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from underpaint.host.row_text import RowText
from underpaint.types import Lora, LoraInfo, ModelInfo, PresetInfo

MOST_LORAS = 16
"""As many LoRAs as a request may have."""
STRONGEST = 10.0
"""As strong as a LoRA may be, to either side of zero."""

_TEXT = RowText(
    kind=Lora,
    name="loras",
    required="name",
    example='{"name": "styles/ink", "strength": 0.6}',
    most=MOST_LORAS,
    ranges=dict.fromkeys(("strength", "text_encoder_strength"), (-STRONGEST, STRONGEST)),
)


def pack_loras(rows: Iterable[Lora]) -> str:
    """LoRAs as JSON, a list of objects, for a configuration; "" for none. `unpack_loras` reads it."""
    return _TEXT.pack(rows)


def unpack_loras(text: str) -> tuple[Lora, ...]:
    """LoRAs from JSON; a single object is one, a key that is missing has its default, "" gives none.

    Raises `InvalidRequest` whose violations name what is not understood.
    """
    return _TEXT.unpack(text)


def loras_for(known: Iterable[LoraInfo], models: Iterable[ModelInfo | None]) -> list[LoraInfo]:
    """Those that fit any of these models and can be used, by title."""
    names = {model.name for model in models if model is not None}
    fitting = (info for info in known if not info.problem and names.intersection(info.models))
    return sorted(fitting, key=lambda info: lora_title(info).lower())


def new_lora(fitting: Sequence[LoraInfo], rows: Iterable[Lora]) -> Lora | None:
    """A row for *Add*: the first that is not on yet; None where there is no other."""
    taken = {row.name for row in rows}
    return next((Lora(info.name) for info in fitting if info.name not in taken), None)


def lora_title(info: LoraInfo) -> str:
    """A LoRA for a list."""
    return info.title or info.name


def lora_tooltip(info: LoraInfo) -> str:
    """What is known of a LoRA: the words that wake it, its licence, its file, a line each."""
    words = f"Put into the prompt: {info.trigger}" if info.trigger else ""
    return "\n".join(line for line in (lora_title(info), words, info.license, info.path) if line)


def lora_problem(row: Lora, known: Sequence[LoraInfo] | None, model: ModelInfo | None) -> str:
    """Why a LoRA cannot be put on `model` (None: not known yet), as a sentence; "" if it can.

    `known` is None while the daemon has not told of its LoRAs. A file's path is the daemon's to judge.
    """
    if known is None or Path(row.name).is_absolute():
        return ""
    info = next((one for one in known if one.name == row.name), None)
    if info is None:
        return f"There is no LoRA “{row.name}” any more: choose another one, or remove it."
    if info.problem:
        return f"{lora_title(info)} cannot be used: {info.problem}"
    if model is not None and model.name not in info.models:
        name = model.title or model.name
        return f"{lora_title(info)} does not fit {name}: remove it, or choose another model."
    return ""


def presets_for(model: ModelInfo | None) -> tuple[PresetInfo, ...]:
    """A model's presets, those that can be used first."""
    found = model.presets if model is not None else ()
    return tuple(sorted(found, key=lambda preset: bool(preset.problem)))


def preset_tooltip(preset: PresetInfo) -> str:
    """What a preset sets where nothing else is chosen, or what it lacks."""
    if preset.problem:
        return preset.problem
    put_on = f", LoRA {preset.lora}" if preset.lora else ""
    return (
        f"{preset.steps} steps, guidance {preset.guidance_scale:g}, scheduler {preset.scheduler}{put_on}, "
        "where they are not set otherwise"
    )


def preset_problem(name: str, model: ModelInfo | None) -> str:
    """Why the preset `name` ("" for none) cannot be used with `model`, as a sentence; "" if it can."""
    if not name or model is None:
        return ""
    preset = next((one for one in model.presets if one.name == name), None)
    if preset is None:
        return f"{model.title or model.name} has no preset “{name}”: choose another one, or none."
    return preset.problem
