"""What the header of a weight file says: names, shapes and number formats of its tensors, and metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Listing:
    """The header of one file. `format` is "safetensors" or "gguf"."""

    path: Path
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]
    """Number formats by tensor, as the file names them: "F16", "BF16", "F8_E4M3", "Q4_K"."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    format: str = "safetensors"

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape; empty for a scalar and for one that is not there."""
        return self.shapes.get(name, ())

    def size(self, name: str, axis: int) -> int:
        """A tensor's length along an axis; 0 where there is none."""
        shape = self.shapes.get(name, ())
        return shape[axis] if -len(shape) <= axis < len(shape) else 0

    def any_starts(self, prefix: str) -> bool:
        """Whether a tensor's name starts so."""
        return any(name.startswith(prefix) for name in self.shapes)

    def first_ending(self, *endings: str) -> str:
        """The first tensor whose name ends so; "" if none does."""
        return next((name for name in self.shapes if name.endswith(endings)), "")

    def below(self, prefix: str) -> Listing:
        """Only what starts with `prefix`, without it."""
        cut = len(prefix)
        names = [name for name in self.shapes if name.startswith(prefix)]
        return Listing(
            self.path,
            {name[cut:]: self.shapes[name] for name in names},
            {name[cut:]: self.dtypes[name] for name in names},
            self.metadata,
            self.format,
        )
