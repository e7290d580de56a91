"""--lora, and the list of LoRAs."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from underpaint.cli.app import app
from underpaint.cli.loras import loras
from underpaint.testing.fake_daemon import FakeDaemon
from underpaint.types import Lora


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDaemon]:
    runtime = Path(tempfile.mkdtemp(prefix="up-"))
    monkeypatch.setenv("UNDERPAINT_RUNTIME_DIR", str(runtime))
    monkeypatch.setenv("UNDERPAINT_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("UNDERPAINT_CONFIG_DIR", str(tmp_path / "config"))
    with FakeDaemon(runtime) as running:
        yield running
    shutil.rmtree(runtime)


def call(*arguments: object, code: int = 0) -> Any:
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert done.exit_code == code, (done.output, done.exception)
    return json.loads(done.stdout)


@pytest.mark.parametrize("command", ["txt2img", "img2img"])
def test_loras_of_the_command_line_are_those_of_the_request(
    daemon: FakeDaemon, tmp_path: Path, command: str
) -> None:
    picture = tmp_path / "wall.png"
    call("txt2img", "wall", "--size", "64x64", "-o", picture)
    source = [picture] if command == "img2img" else []
    given = ("--lora", "ink", "--lora", "wash:-0.5", "-o", tmp_path / "out.png")
    (ink, wash) = call(command, *source, "wall", *given)["request"]["loras"]
    assert ink == {"name": "ink", "strength": 1.0, "text_encoder_strength": 1.0}
    assert wash == {"name": "wash", "strength": -0.5, "text_encoder_strength": -0.5}


def test_a_file_is_named_by_its_absolute_path_and_a_colon_may_be_the_names_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ink.safetensors").write_bytes(b"")
    full = str((tmp_path / "ink.safetensors").resolve())
    assert loras(["ink.safetensors", "ink.safetensors:0.5", "C:ink", "a:b:2"]) == (
        Lora(full),
        Lora(full, 0.5),
        Lora("C:ink"),
        Lora("a:b", 2.0),
    )
    assert loras(None) == ()


def test_the_list_shows_loras_and_what_they_fit(daemon: FakeDaemon) -> None:
    (lora,) = call("models", "loras")
    assert (lora["name"], lora["models"]) == ("fake-lora", ["fake"])
    assert "fake-lora" in CliRunner().invoke(app, ["models", "loras"]).stdout
    daemon.loras.clear()
    assert "No LoRAs" in CliRunner().invoke(app, ["models", "loras"]).output
