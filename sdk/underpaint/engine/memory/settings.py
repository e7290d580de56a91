"""What the daemon's settings say about memory, as a worker gets it: in its environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from underpaint.engine.memory.keeper import KEEP_ALIVE_S

KEEP_ALIVE_VARIABLE = "UNDERPAINT_KEEP_ALIVE"
STATE_VARIABLE = "UNDERPAINT_STATE_DIR"
RESERVE_VARIABLE = "UNDERPAINT_VRAM_RESERVE_BYTES"


@dataclass(frozen=True)
class MemorySettings:
    """How long idle models stay, in seconds, and what hosts are left of the device, in bytes."""

    keep_alive: float = KEEP_ALIVE_S
    reserve: int | None = None
    """None: the broker's default."""
    state_dir: Path | None = None
    """Where measured peaks are kept; None: nowhere."""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> MemorySettings:
        """From a worker's environment. Raises `ValueError`; the daemon has checked what it sets."""
        reserve = int(environ.get(RESERVE_VARIABLE) or -1)
        keep_alive = environ.get(KEEP_ALIVE_VARIABLE) or KEEP_ALIVE_S
        folder = environ.get(STATE_VARIABLE)
        return cls(float(keep_alive), None if reserve < 0 else reserve, Path(folder) if folder else None)

    def estimates_file(self, device: str) -> Path | None:
        """Where this device's measured peaks are kept."""
        name = f"memory-{device.replace(':', '-')}.json"
        return None if self.state_dir is None else self.state_dir / name
