"""What a file may ask for before anything is decoded: files come from strangers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from underpaint.errors import LimitExceeded

_WORDS: Final = {
    "edge": "pixels on one side",
    "pixels": "pixels in its layers",
    "layers": "layers and groups",
    "depth": "groups within groups",
    "stack_bytes": "bytes of stack.xml",
    "png_bytes": "bytes in one picture",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Raise one where a document of yours needs more; the defaults hold what a painter makes."""

    edge: int = 65_536
    """Longest side of a canvas or of a layer, in pixels."""
    pixels: int = 1 << 29
    """Pixels of all layers together: 2 GiB of memory in 8 bits, 4 GiB in 16."""
    layers: int = 4_096
    """Layers and groups."""
    depth: int = 64
    """Groups within groups."""
    stack_bytes: int = 8 << 20
    """Unpacked size of stack.xml."""
    png_bytes: int = 1 << 30
    """Unpacked size of one picture's file."""

    def check(self, name: str, value: int, what: str) -> None:
        """Raises `LimitExceeded` if `value` is above the limit of that name."""
        maximum: int = getattr(self, name)
        if value > maximum:
            raise LimitExceeded(
                f"{what} has {value} {_WORDS[name]}, at most {maximum} are read: make it smaller, or read it "
                "with other Limits.",
                metadata={"limit": name, "maximum": str(maximum), "actual": str(value)},
            )
