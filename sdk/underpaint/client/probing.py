"""Whether client and daemon see the same files: a secret read, a secret written, never a guess."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path
from typing import Final

from underpaint.client.failures import NotServed
from underpaint.client.link import CALL_TIMEOUT, Connection
from underpaint.v1 import blob_service_pb2

_MAX_PROBE: Final = 4096
"""Longest challenge, in bytes."""


async def sees_our_files(connection: Connection) -> bool:
    """Asks the daemon for a challenge and answers it, through files. Raises what calls raise."""
    try:
        begun = await connection.wire.unary(
            blob_service_pb2.BeginProbeRequest(), blob_service_pb2.BeginProbeResponse, CALL_TIMEOUT
        )
    except NotServed:
        return False
    challenge, answer = await asyncio.to_thread(_answer, Path(begun.challenge_path), Path(begun.answer_path))
    reply = await connection.wire.unary(
        blob_service_pb2.FinishProbeRequest(probe_id=begun.probe_id, challenge=challenge, answer=answer),
        blob_service_pb2.FinishProbeResponse,
        CALL_TIMEOUT,
    )
    return reply.mapped


def _answer(challenge_path: Path, answer_path: Path) -> tuple[bytes, bytes]:
    try:
        challenge = challenge_path.read_bytes()[:_MAX_PROBE]
        flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        handle = os.open(answer_path, flags)
    except OSError:
        return b"", b""
    try:
        found = os.fstat(handle)
        # Write to nothing but the small private file that a probe is: the path comes from outside.
        good = stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_size == len(challenge) > 0
        if not good or answer_path.parent != challenge_path.parent:
            return challenge, b""
        answer = os.urandom(len(challenge))
        os.write(handle, answer)
        return challenge, answer
    except OSError:
        return challenge, b""
    finally:
        os.close(handle)
