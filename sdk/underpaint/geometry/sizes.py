"""At what size to compute a picture that shall have another one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

SECOND_PASS_STRENGTH = 0.4
"""Strength of the pass that refines an enlarged picture."""
TOO_LARGE = 1.5
"""Above this many times the native size (root of the area), models repeat what they paint."""
TOO_SMALL = 0.75
"""Below this many times the native size (root of the area), models paint mush."""


class Size(NamedTuple):
    """Width and height in pixels, at least 1."""

    width: int
    height: int

    @property
    def edge(self) -> float:
        """Edge length of a square of the same area."""
        return math.sqrt(self.width * self.height)


@dataclass(frozen=True, slots=True)
class SizePlan:
    """Four sizes: what comes in, the first pass, the last pass, what goes out."""

    input: Size
    initial: Size
    """Of the first pass: near what the model was trained for."""
    desired: Size
    """Of the last pass: the target as far as the model's limits allow."""
    target: Size

    @property
    def two_passes(self) -> bool:
        """Whether a second pass at `SECOND_PASS_STRENGTH` refines the enlarged first one."""
        return self.desired != self.initial


def size_plan(
    target: Size,
    *,
    native_size: int,
    size_multiple: int,
    min_size: int,
    max_size: int,
    input: Size | None = None,
    enlarge: bool = True,
) -> SizePlan:
    """The plan for a picture of `target` pixels; every computed side lies in `min_size` … `max_size`.

    Computed sides are multiples of `size_multiple`; the aspect is kept as well as that allows. A target
    that the model takes as it is stays what it is, in one pass. `enlarge`: compute small targets at the
    native size; False where somebody asked for that size and not for a picture to fit.
    """
    edge = target.edge
    small = enlarge and edge < TOO_SMALL * native_size
    scale = native_size / edge if small else 1.0
    desired = _fit(target, scale, size_multiple, min_size, max_size)
    initial = desired
    if desired.edge > TOO_LARGE * native_size:
        initial = _fit(target, native_size / edge, size_multiple, min_size, max_size)
    return SizePlan(input=input or target, initial=initial, desired=desired, target=target)


def _fit(size: Size, scale: float, multiple: int, minimum: int, maximum: int) -> Size:
    low = -(-minimum // multiple) * multiple
    high = max(low, maximum // multiple * multiple)
    # One factor for both sides first: the limits bend the aspect only where both cannot hold.
    scale = max(min(scale, high / max(size)), low / min(size))
    return Size(*(min(max(round(side * scale / multiple) * multiple, low), high) for side in size))
