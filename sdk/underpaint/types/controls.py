"""Images that a picture keeps to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from underpaint.types.pixels import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A conditioning image with a role: lines, depths, a pose that the picture keeps to.

    The image is cut to the part of the canvas that the job paints; where it does not reach, the control says
    nothing. Transparent parts count as black, as white where a preprocessor looks at them. A reference (roles
    "reference", "style", "composition") is looked at whole instead, wherever it lies, on white.
    """

    image: Image
    role: str
    """What the image shows, kebab-case, one of `ModelInfo.controls`: "line-art", "depth" and so on."""
    strength: float = 1.0
    """How strictly the picture keeps to it, 0.0 to 2.0."""
    start: float = 0.0
    """From which share of the steps on it counts, 0.0 to 1.0."""
    end: float = 1.0
    """Up to which share of the steps it counts, above `start`, to 1.0."""
    mask: Image | None = None
    """Where it counts: one channel, with its own place on the canvas; 0 outside of it. None: everywhere."""
    model: str = ""
    """A control model, from `Client.control_models`; "": the first that the model names for the role."""
    preprocessor: str = ""
    """Run on the image first, a name from `Client.preprocessors`; "" takes the image as it is."""
    parameters: Mapping[str, float] = field(default_factory=dict)
    """For the preprocessor, by name; the rest take their defaults."""


@dataclass(frozen=True, slots=True)
class ControlRole:
    """A role of control images that a model takes, and the control models for it, the default first."""

    role: str
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ControlModelInfo:
    """A control model that the daemon found on disk."""

    name: str
    title: str = ""
    family: str = ""
    path: str = ""
    roles: tuple[str, ...] = ()
    """The main one first; none where its folder does not say: named in `Control.model` it takes any."""
    models: tuple[str, ...] = ()
    """Names of the models that it fits."""
    size_bytes: int = 0
    problem: str = ""
    license: str = ""
    kind: str = ""
    """As `ControlTraits.kind`, "redux" for one; "": nobody knows."""
