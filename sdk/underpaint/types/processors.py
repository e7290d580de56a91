"""Named functions over pictures that the daemon offers, before and after the model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A number that a person may set: what a panel needs for a slider."""

    name: str
    """Snake case; the key of the value."""
    default: float
    minimum: float
    maximum: float
    title: str = ""
    """For the panel, with the unit; "" means the name."""
    step: float = 0.0
    """Distance of two values; 0.0 means any, 1.0 whole numbers."""

    def __post_init__(self) -> None:
        # Written so that NaN is refused too.
        if not self.minimum <= self.default <= self.maximum:
            raise ValueError(
                f"{self.name}: the default {self.default} is not in {self.minimum} to {self.maximum}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class PreprocessorInfo:
    """Makes a control image or a mask from a picture."""

    name: str
    title: str = ""
    role: str = ""
    """What the result is, kebab-case: "canny", "soft-edge", "line-art", "normal", "mask" and so on."""
    parameters: tuple[Parameter, ...] = ()
    problem: str = ""
    """Why it cannot be used now, and what to do, where weights are missing; "" if it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostprocessorInfo:
    """Works on a finished picture."""

    name: str
    title: str = ""
    operations: tuple[str, ...] = ()
    """Operations it is for, "txt2img", "img2img", "edit" or "inpaint"; none means all."""
