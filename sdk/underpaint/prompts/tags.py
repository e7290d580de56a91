"""LoRAs named in a prompt: `<lora:ink>`, `<lora:ink:0.8>`, `<lora:ink:0.5:0.8>`.

The tags of A1111's web UI: one number is the strength, of two the first counts in the text encoders and the
second in the denoiser. `\\<lora:ink>` is plain text.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from underpaint.errors import InvalidRequest, Violation

_TAG = re.compile(
    r"\\[()\[\]{}|<\\]|\s{0,4}<lora:(?P<name>[^:<>]+)(?P<numbers>(?::[^:<>]*)*)>(?=(?P<next>.?))", re.S
)


@dataclass(frozen=True, slots=True)
class LoraTag:
    """One tag. `text_encoder_strength` is None where one number, or none, stands for both."""

    name: str
    strength: float = 1.0
    text_encoder_strength: float | None = None


def take_loras(prompt: str, field: str = "spec.prompt") -> tuple[str, tuple[LoraTag, ...]]:
    """A prompt without its tags, and these in order; text without a tag stays as it is, escapes as well.

    Raises `InvalidRequest`, whose violation names `field`, for a tag with something else than numbers.
    """
    found: list[LoraTag] = []

    def take(match: re.Match[str]) -> str:
        if match["name"] is None:
            return match[0]
        found.append(_tag(match, field))
        # One space where words stand on both sides; none at an end and before a comma.
        return " " if match.start() and match["next"] not in ("", ",", " ", "\n", "\t") else ""

    rest = _TAG.sub(take, prompt)
    return (rest.strip() if found else prompt), tuple(found)


def _tag(match: re.Match[str], field: str) -> LoraTag:
    numbers = [_number(part) for part in match["numbers"].split(":")[1:]]
    if len(numbers) > 2 or None in numbers:
        text = f"{match[0].strip()[:200]!r} is no tag that can be read: write <lora:NAME:STRENGTH>"
        raise InvalidRequest(f"The prompt is not valid: {text}.", violations=[Violation(field, text)])
    values = [number for number in numbers if number is not None]
    name = match["name"].strip()
    return LoraTag(name, values[-1] if values else 1.0, values[0] if len(values) == 2 else None)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
