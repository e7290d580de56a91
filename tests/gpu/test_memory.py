"""The script that measures cards, where there is none: with tiny networks, and on the way out."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.gpu import memory
from underpaint.engine.memory.device import TorchDevice


@pytest.fixture(scope="module", autouse=True)
def one_torch_thread() -> None:
    # Tiny networks: more threads only fight for the cores.
    torch.set_num_threads(1)


@pytest.mark.parametrize("family", memory.ENGINES)
def test_every_operation_of_every_family_is_run_and_none_has_a_problem(tmp_path: Path, family: str) -> None:
    folder = memory.build(tmp_path / "model", family, full=False)
    figures = list(memory.measure(folder, family, 1 << 30, TorchDevice("cpu"), 64, "float32"))
    assert [(one.operation, one.problem) for one in figures] == [(name, "") for name in memory.OPERATIONS]
    # A CPU does not count its peaks: no figure is made up.
    assert all(one.peak_gib is None and one.seconds > 0 for one in figures)


def test_without_a_card_it_says_what_was_not_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("sys.argv", ["memory"])
    assert memory.main() == 0
    told = capsys.readouterr().out
    assert "Not measured" in told
    assert all(f"{family} within {gib} GiB" in told for family, gib in memory.ROWS)


def test_full_size_networks_are_the_shipped_configurations(tmp_path: Path) -> None:
    """The smallest of them, so that the way there is walked once."""
    tiny = memory.build(tmp_path / "model", "sd15", full=False)
    words = memory._special(tiny / "tokenizer")
    memory._write_full(memory.CONFIGS / "sd15" / "vae" / "config.json", tiny / "vae", {}, "cpu")
    written = next((tiny / "vae").glob("*.safetensors"))
    assert written.stat().st_size == pytest.approx(83_653_863 * 2, rel=0.01)
    assert set(words) == {"bos_token_id", "eos_token_id", "pad_token_id"}
