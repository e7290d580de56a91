"""How a picture was made, as it stays with the picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from underpaint.types.places import Bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What made one picture: enough to make it again, given the pictures that it started from."""

    request: Mapping[str, object]
    """The specification with every default filled in, as JSON-like values with the protocol's names."""
    model_sha256: Mapping[str, str] = field(default_factory=dict)
    """Content hashes of the weight files, by path inside the model."""
    engine_version: str = ""
    created: datetime | None = None
    """When the job was submitted."""
    place: Bounds | None = None
    """What the job looked at and painted, in pixels of the canvas: of a fill, the part around it."""

    @property
    def starts_from_a_picture(self) -> bool:
        """Whether something else than words went in: a picture, and perhaps a mask."""
        return "text_to_image" not in self.request

    @property
    def prompt(self) -> str:
        """What was asked for, in words; "" where the words were left out."""
        return str(self.request.get("prompt", ""))
