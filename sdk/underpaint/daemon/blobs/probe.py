"""Whether client and daemon see the same pixel folder: a secret read and a secret written, never a guess."""

from __future__ import annotations

import asyncio
import hmac
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

LENGTH = 32
VALID_S = 60.0


@dataclass(frozen=True, slots=True)
class Probe:
    """One challenge. The daemon wrote `challenge_path`; the client writes LENGTH bytes to `answer_path`."""

    probe_id: str
    challenge: bytes
    challenge_path: Path
    answer_path: Path
    until: float


class Prober:
    """Probes in flight. Used from the event loop's thread."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._probes: dict[str, Probe] = {}

    async def begin(self) -> Probe:
        """Writes a challenge."""
        probe_id = secrets.token_hex(16)
        probe = Probe(
            probe_id=probe_id,
            challenge=secrets.token_bytes(LENGTH),
            challenge_path=self._root / f"{probe_id}.probe-challenge",
            answer_path=self._root / f"{probe_id}.probe-answer",
            until=time.monotonic() + VALID_S,
        )
        await asyncio.to_thread(_write, probe)
        self._probes[probe_id] = probe
        return probe

    async def finish(self, probe_id: str, challenge: bytes, answer: bytes) -> bool:
        """True exactly if the client read what we wrote and we read what it wrote."""
        probe = self._probes.pop(probe_id, None)
        if probe is None or time.monotonic() > probe.until:
            return False
        written = await asyncio.to_thread(_take, probe)
        return (
            hmac.compare_digest(challenge, probe.challenge)
            and len(answer) == LENGTH
            and hmac.compare_digest(answer, written)
            and any(answer)
        )

    async def sweep(self) -> None:
        """Forgets probes that nobody finished in time."""
        for probe in [probe for probe in self._probes.values() if time.monotonic() > probe.until]:
            del self._probes[probe.probe_id]
            await asyncio.to_thread(_remove, probe)


def _write(probe: Probe) -> None:
    for path, content in ((probe.challenge_path, probe.challenge), (probe.answer_path, bytes(LENGTH))):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(handle, content)
        finally:
            os.close(handle)


def _take(probe: Probe) -> bytes:
    try:
        return probe.answer_path.read_bytes()
    except OSError:
        return b""
    finally:
        _remove(probe)


def _remove(probe: Probe) -> None:
    probe.challenge_path.unlink(missing_ok=True)
    probe.answer_path.unlink(missing_ok=True)
