"""models convert: a pickle becomes a safetensors file, or nothing is written and the reason is told."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from underpaint.cli import sandbox
from underpaint.cli.app import app

pytestmark = pytest.mark.skipif(os.name != "posix", reason="open files are not handed over on Windows")
LORA = {
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": torch.ones(
        8, 768
    ),
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_up.weight": torch.ones(320, 8),
}


def convert(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["models", "convert", *map(str, arguments)])
    return done.exit_code, " ".join(done.output.split())


def test_a_pickle_becomes_a_file_that_is_told_and_stays_itself(tmp_path: Path) -> None:
    file = tmp_path / "pytorch_model.bin"
    torch.save(LORA, file)
    before = file.read_bytes()
    code, said = convert(file, "--json")
    assert code == 0
    facts = json.loads(said)
    made = tmp_path / "model.safetensors"
    assert (facts["file"], facts["kind"], facts["family"], facts["tensors"]) == (str(made), "lora", "sd15", 2)
    found = load_file(made)
    assert all(torch.equal(found[name], tensor) for name, tensor in LORA.items()) and len(found) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.safetensors", "pytorch_model.bin"]
    assert file.read_bytes() == before
    code, said = convert(file)
    assert code == 2 and "is there already" in said


class Command:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> object:
        return os.system, (self.command,)


def test_a_pickle_that_would_run_something_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    file, mark = tmp_path / "bad.ckpt", tmp_path / "ran"
    torch.save({"state_dict": LORA, "x": Command(f"touch {mark}")}, file)
    code, said = convert(file)
    assert code == 1 and "MODEL_UNUSABLE" in said and "posix.system, which no weights need" in said
    assert [path.name for path in tmp_path.iterdir()] == ["bad.ckpt"]


@pytest.mark.parametrize(
    ("name", "output", "words"),
    [
        ("a.safetensors", "b.safetensors", "is no file that ends in .ckpt"),
        ("gone.ckpt", "b.safetensors", "is no file that ends in .ckpt"),
        ("a.ckpt", "b.bin", "must end in .safetensors"),
    ],
)
def test_wrong_names_are_told_before_anything_runs(
    tmp_path: Path, name: str, output: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "convert", None)
    for there in ("a.safetensors", "a.ckpt"):
        (tmp_path / there).write_bytes(b"")
    code, said = convert(tmp_path / name, "--output", tmp_path / output)
    assert code == 2 and words in said


def test_the_process_has_no_network_where_the_system_allows_it(tmp_path: Path) -> None:
    prefix = sandbox.without_network()
    if not prefix:
        pytest.skip("this system lets users make no network of their own")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)"
        outside = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
        inside = subprocess.run([*prefix, sys.executable, "-c", code], check=False, capture_output=True)
    assert outside.returncode == 0 and inside.returncode != 0
    assert b"unreachable" in inside.stderr


def test_the_process_is_told_no_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("LANG", "C.UTF-8")
    assert "HF_TOKEN" not in sandbox.environment() and sandbox.environment()["LANG"] == "C.UTF-8"
