"""The `parameters` text that A1111's web UI writes into its pictures, and that other programs read.

A prompt, a line `Negative prompt: …`, and a line of `Key: value` pairs that begins with `Steps:`. There is
no specification; what is read and written here is what its users' files have. It says less than the record
in JSON: no places, no masks, no controls.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from underpaint.types import Provenance

_NEGATIVE: Final = "Negative prompt: "
_PAIR: Final = re.compile(r'\s*([\w ./+-]+):\s*("(?:\\.|[^"\\])*"|[^,]*)(?:,|$)')
_SHORT_HASH: Final = 10

_NAMES: Final[Mapping[str, tuple[str, str]]] = {
    "ddim": ("DDIM", ""),
    "euler": ("Euler", ""),
    "euler-a": ("Euler a", ""),
    "dpmpp-2m": ("DPM++ 2M", ""),
    "dpmpp-2m-karras": ("DPM++ 2M", "Karras"),
    "dpmpp-sde-karras": ("DPM++ 2M SDE", "Karras"),
    "unipc": ("UniPC", ""),
    "heun": ("Heun", ""),
    "lcm": ("LCM", ""),
}
"""Sampler and schedule type by our scheduler's name; others go by their own."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """A `parameters` text, taken apart."""

    prompt: str
    negative_prompt: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    """By the text's own keys: "Steps", "Sampler", "Seed" and what else it has."""


def parameters_text(record: Provenance) -> str:
    """The text for one picture."""
    request = record.request
    lines = [record.prompt.strip()]
    if negative := str(request.get("negative_prompt", "")).strip():
        lines.append(_NEGATIVE + negative)
    lines.append(", ".join(f"{key}: {_quoted(value)}" for key, value in _pairs(record)))
    return "\n".join(lines)


def read_parameters(text: str) -> Parameters | None:
    """Takes a text apart, also other programs'; None where its last line is no list of values."""
    lines = text.strip().splitlines()
    if not lines or not lines[-1].lstrip().startswith("Steps:"):
        return None
    values = {key.strip(): _plain(value) for key, value in _PAIR.findall(lines[-1])}
    prompt: list[str] = []
    negative: list[str] = []
    into = prompt
    for line in lines[:-1]:
        if line.startswith(_NEGATIVE.rstrip()):
            into, line = negative, line[len(_NEGATIVE.rstrip()) :].lstrip()
        into.append(line)
    return Parameters("\n".join(prompt).strip(), "\n".join(negative).strip(), values)


def scheduler_called(sampler: str, schedule: str = "") -> str:
    """Our name of a sampler as A1111 calls it, "" if there is none; its older texts hold both in one name."""
    wanted = f"{sampler} {schedule if schedule != 'Automatic' else ''}".strip().lower()
    if wanted == "dpm++ sde karras":
        return "dpmpp-sde-karras"  # theirs takes single steps, ours several at once: the nearest one
    for name, both in _NAMES.items():
        if wanted == " ".join(both).strip().lower():
            return name
    return ""


def _pairs(record: Provenance) -> list[tuple[str, object]]:
    request = record.request
    name = str(request.get("scheduler", ""))
    sampler, schedule = _NAMES.get(name, (name, ""))
    pairs: list[tuple[str, object]] = [("Steps", request.get("steps", "")), ("Sampler", sampler)]
    if schedule:
        pairs.append(("Schedule type", schedule))
    pairs += [("CFG scale", request.get("guidance_scale", "")), ("Seed", request.get("seed", ""))]
    operation = _operation(request)
    if "width_px" in operation:
        pairs.append(("Size", f"{operation['width_px']}x{operation.get('height_px')}"))
    if digest := _model_hash(record.model_sha256):
        pairs.append(("Model hash", digest))
    pairs.append(("Model", request.get("model", "")))
    if "strength" in operation:
        pairs.append(("Denoising strength", operation["strength"]))
    pairs.append(("Version", record.engine_version.partition(",")[0]))
    return [(key, value) for key, value in pairs if value != ""]


def _operation(request: Mapping[str, object]) -> Mapping[str, object]:
    for name in ("text_to_image", "image_to_image", "edit_image", "inpaint"):
        found = request.get(name)
        if isinstance(found, Mapping):
            return found
    return {}


def _model_hash(hashes: Mapping[str, str]) -> str:
    """The first ten digits of a checkpoint's SHA-256, as these texts have it; of a folder, its denoiser's."""
    for path, digest in sorted(hashes.items()):
        if path.startswith(("unet/", "transformer/")):
            return digest[:_SHORT_HASH]
    return next((digest[:_SHORT_HASH] for _, digest in sorted(hashes.items())), "")


def _quoted(value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    if not re.search(r'[,:\n"]', text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'


def _plain(value: str) -> str:
    value = value.strip()
    if len(value) >= 2 and value.startswith('"') and value.endswith('"'):
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value
