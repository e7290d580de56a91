"""How far a picture shall reach beyond its canvas."""

from __future__ import annotations

from dataclasses import dataclass

from underpaint.errors import InvalidRequest, Violation
from underpaint.types import Bounds

MAX_MARGIN = 8192
"""Pixels that a picture grows on one side at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Margins:
    """Pixels beyond each edge, 0 to `MAX_MARGIN`, at least one of them above 0. Raises `InvalidRequest`."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0

    def __post_init__(self) -> None:
        edges = {"left": self.left, "top": self.top, "right": self.right, "bottom": self.bottom}
        faults = [
            Violation(name, f"must be 0 to {MAX_MARGIN} pixels, got {edge}")
            for name, edge in edges.items()
            if not 0 <= edge <= MAX_MARGIN
        ]
        if faults:
            text = "; ".join(f"{fault.field} {fault.description}" for fault in faults)
            raise InvalidRequest(f"The picture cannot grow so: {text}.", violations=faults)
        if not any(edges.values()):
            message = "Say how far the picture shall grow: on one side at least by one pixel."
            raise InvalidRequest(message, violations=[Violation("left", message)])

    def around(self, canvas: Bounds) -> Bounds:
        """The canvas with its margins."""
        return Bounds(
            canvas.x - self.left,
            canvas.y - self.top,
            canvas.width + self.left + self.right,
            canvas.height + self.top + self.bottom,
        )

    def outside(self, canvas: Bounds) -> Bounds:
        """Tight bounds of what is new: one side's strip, or everything where two sides grow."""
        whole = self.around(canvas)
        grown = [name for name in ("left", "top", "right", "bottom") if getattr(self, name)]
        if len(grown) > 1:
            return whole
        if self.left or self.right:
            x = whole.x if self.left else canvas.right
            return Bounds(x, whole.y, self.left or self.right, whole.height)
        y = whole.y if self.top else canvas.bottom
        return Bounds(whole.x, y, whole.width, self.top or self.bottom)
