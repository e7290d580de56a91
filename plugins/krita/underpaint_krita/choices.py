# SPDX-License-Identifier: GPL-3.0-or-later
"""What the painter chose last, kept in Krita's own configuration."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from krita import Krita

from underpaint.errors import InvalidRequest
from underpaint.host import Settings, unpack_loras

_GROUP = "underpaint"
WORDS, PICTURE, LAYER = "words", "picture", "layer"
SOURCES = (WORDS, PICTURE, LAYER)
_MANY_FILES = 50
_LARGEST_SEED = 2**64 - 1


@dataclass(frozen=True)
class Choices:
    """Everything that the docker lets one set; the defaults are those of a first start."""

    prompt: str = ""
    negative: str = ""
    model: str = ""
    """"" for the daemon's default."""
    seed: str = ""
    """Decimal digits, below 2**64; "" for another one every time."""
    steps: int = 0
    """0 for the model's default."""
    guidance: float = -1.0
    """Below 0 for the model's default."""
    scheduler: str = ""
    fill_strength: int = 100
    """Per cent."""
    image_strength: int = 60
    """Per cent."""
    source: str = WORDS
    layer: str = ""
    """Unique id of the layer that Generate starts from."""
    details: bool = False
    """Whether the rarely used fields are unfolded."""
    preset: str = ""
    """"" for none."""
    loras: str = ""
    """What is put on the model: JSON, as `unpack_loras` reads it."""
    verbs: str = "{}"
    """What was chosen last for verbs of plug-ins: JSON, values by name of the verb."""

    def settings(self, strength_percent: int | None = None) -> Settings:
        """As `Session` takes them."""
        return Settings(
            model=self.model,
            negative_prompt=self.negative,
            seed=min(int(self.seed), _LARGEST_SEED) if self.seed else None,
            steps=self.steps or None,
            guidance_scale=self.guidance if self.guidance >= 0 else None,
            scheduler=self.scheduler,
            preset=self.preset,
            loras=unpack_loras(self.loras),
            strength=strength_percent / 100 if strength_percent is not None else None,
        )


def load_choices() -> Choices:
    """The choices of last time; whatever cannot be read has its default."""
    stored = _read("choices")
    defaults = Choices()
    known = {field.name: type(getattr(defaults, field.name)) for field in fields(Choices)}
    fitting = {name: value for name, value in stored.items() if type(value) is known.get(name)}
    loaded = replace(defaults, **fitting)
    if loaded.source not in SOURCES or (loaded.seed and not loaded.seed.isdecimal()):
        loaded = replace(loaded, source=WORDS, seed="")
    try:
        unpack_loras(loaded.loras)
    except InvalidRequest:
        loaded = replace(loaded, loras="")  # of a version to come
    return loaded


def save_choices(choices: Choices) -> None:
    """Keeps them for next time."""
    _write("choices", asdict(choices))


def remember_file(file: str, document_id: str) -> None:
    """Notes that jobs of this document are on their way, for when Krita ends before they do.

    `file` is "" while it was never saved.
    """
    noted = _read("pending")
    ids = [one for one in noted.pop(file, []) if one != document_id]
    noted[file] = [*ids, document_id][-8:]
    _write("pending", dict(list(noted.items())[-_MANY_FILES:]))


def remembered(file: str, document_id: str) -> list[str]:
    """The documents whose jobs belong into this file, or into the document of this id."""
    noted = _read("pending")
    ids = [str(one) for one in noted.get(file, [])] if file else []
    if document_id not in ids and any(document_id in others for others in noted.values()):
        ids.append(document_id)
    return ids


def forget_file(file: str, document_id: str) -> None:
    """All jobs of this document have come to their end."""
    noted = _read("pending")
    if document_id in noted.get(file, []):
        noted[file] = [one for one in noted[file] if one != document_id]
        _write("pending", {name: ids for name, ids in noted.items() if ids})


def is_noted(what: str) -> bool:
    """Whether `note(what)` was ever called, in this Krita or an earlier one."""
    return what in _read("once")


def note(what: str) -> None:
    """Notes that something is done once and for all."""
    _write("once", {**_read("once"), what: True})


def _read(name: str) -> dict[str, Any]:
    try:
        stored = json.loads(Krita.instance().readSetting(_GROUP, name, "{}"))
    except ValueError:
        return {}
    return stored if isinstance(stored, dict) else {}


def _write(name: str, values: dict[str, Any]) -> None:
    Krita.instance().writeSetting(_GROUP, name, json.dumps(values))
