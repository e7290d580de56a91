from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from underpaint.daemon.blobs import probe as probes
from underpaint.daemon.blobs.probe import LENGTH, Prober


@pytest.mark.parametrize(
    ("reads", "writes", "tells", "mapped"),
    [
        (True, True, True, True),
        (False, True, True, False),
        (True, False, True, False),
        (True, True, False, False),
    ],
)
async def test_mapped_files_work_exactly_if_both_sides_agree(
    tmp_path: Path, reads: bool, writes: bool, tells: bool, mapped: bool
) -> None:
    prober = Prober(tmp_path)
    probe = await prober.begin()
    challenge = probe.challenge_path.read_bytes() if reads else b""
    answer = secrets.token_bytes(LENGTH)
    assert probe.answer_path.stat().st_size == LENGTH
    if writes:
        probe.answer_path.write_bytes(answer)
    assert await prober.finish(probe.probe_id, challenge, answer if tells else b"") is mapped
    assert list(tmp_path.iterdir()) == []


async def test_an_empty_answer_proves_nothing(tmp_path: Path) -> None:
    prober = Prober(tmp_path)
    probe = await prober.begin()
    assert not await prober.finish(probe.probe_id, probe.challenge, bytes(LENGTH))


async def test_a_probe_works_once_and_not_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prober = Prober(tmp_path)
    probe = await prober.begin()
    answer = secrets.token_bytes(LENGTH)
    probe.answer_path.write_bytes(answer)
    assert await prober.finish(probe.probe_id, probe.challenge, answer)
    assert not await prober.finish(probe.probe_id, probe.challenge, answer)
    monkeypatch.setattr(probes, "VALID_S", -1.0)
    await prober.begin()
    await prober.sweep()
    assert list(tmp_path.iterdir()) == []
