"""Layers with words of their own, in the real hosts, with the model in the box."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.hosts import gimp_setup, parts
from tests.hosts.sandbox import HostSandbox
from tests.support.installation import Installation
from underpaint.cli.packaging import build, install

SCRIPTS = Path(__file__).parent / "scripts"


@pytest.fixture
def swatch(sandbox: HostSandbox, tmp_path: Path) -> Iterator[Installation]:
    """A daemon with the model in the box, and a LoRA for it."""
    folder, loras = tmp_path / "daemon", tmp_path / "loras"
    (folder / "state").mkdir(parents=True)
    loras.mkdir()
    parts.lora(loras)
    sandbox.bind(folder)
    roots = os.pathsep.join(map(str, (parts.MODELS, loras)))
    installation = Installation(folder, sandbox.runtime, parts.MODELS, UNDERPAINT_MODEL_ROOTS=roots)
    installation.serve()
    yield installation
    installation.close()


@pytest.fixture
def arguments(sandbox: HostSandbox, tmp_path: Path) -> dict[str, Any]:
    """What every script is told."""
    folder = tmp_path / "layers"
    folder.mkdir()
    sandbox.bind(folder)
    return parts.arguments(folder)


def the_lora_changes_the_picture(values: dict[str, Any]) -> None:
    """The same words and seed, with the LoRA and without."""
    changed, plain = (
        np.frombuffer(Path(values[name]).read_bytes(), np.uint8) for name in ("changed", "plain")
    )
    assert np.abs(changed.astype(int) - plain).mean() > 2


def test_two_layers_have_words_of_their_own_in_krita(
    sandbox: HostSandbox, swatch: Installation, arguments: dict[str, Any], tmp_path: Path
) -> None:
    install("krita", build("krita", tmp_path), home=sandbox.home, environ=sandbox.environ_outside)
    with sandbox.open_krita(plugins=("underpaint_krita",), environ=swatch.places) as krita:
        values = krita.run(SCRIPTS / "regions_krita.py", timeout=500, **arguments)
        assert "Traceback" not in krita.output
    assert values["nothing_open"] == "Create or open a picture first."
    for name in ("wall", "meadow"):
        said = f"Say what to paint in “{name}”, or remove its region."
        assert values[f"wordless_{name}"] == [name, said]
        assert values[f"focus_{name}"]
    assert values["places"] == ["wall", "meadow", "Background", "Selection"]
    assert values["still_unmodified"]
    assert values["labels"] == ["wall", "red brick"]
    # The lowest layer first, whatever the order of the rows.
    both = ["green grass", "red brick"]
    assert (values["state"], values["sent"]) == ("placed", both)
    parts.keep_to_their_places(values["painted"])
    assert values["undone"]
    assert values["filled"] == ["placed", both]
    parts.keep_to_their_places(values["filled_picture"])
    assert values["varied"] == ["placed", both]
    said = "“wall” is gone: choose something else for its region, or remove it."
    assert values["gone"] == ["wall (not found)", said, said]
    assert values["kept"] == [["wall", "red brick", "", 100], ["meadow", "green grass", "dry leaves", 80]]
    assert values["folded"] and values["unfolded"]
    title, tip, problem, add = values["lora"]
    assert (title, problem, add) == ("Ink wash", "", "All of them are on.")
    assert "Put into the prompt: inked" in tip
    assert values["put_on"] == ["placed", [{"name": "ink", "strength": 0.5, "text_encoder_strength": 0.5}]]
    assert values["remembered"] == '[{"name": "ink", "strength": 0.5}]'
    the_lora_changes_the_picture(values)


def test_two_layers_have_words_of_their_own_in_gimp(
    sandbox: HostSandbox, swatch: Installation, arguments: dict[str, Any], tmp_path: Path
) -> None:
    gimp_setup.install_plugin(sandbox, tmp_path / "zip")
    sandbox.bind(gimp_setup.SCRIPTS)
    with sandbox.open_gimp(window=True, environ={**swatch.places, "UNDERPAINT_LOG": "debug"}) as gimp:
        script = gimp_setup.SCRIPTS / "regions.py"
        values = gimp.run(script, timeout=500, scripts=str(gimp_setup.SCRIPTS), **arguments)
        assert "Traceback" not in gimp.output, gimp.output
    for name in ("generated", "filled", "by_channel"):
        status, error, file = values[name]
        assert (status, error) == ("success", "")
        parts.keep_to_their_places(file)
    assert values["varied"][0] == "success" and values["untouched"]
    the_lora_changes_the_picture({name: values[name][2] for name in ("changed", "plain")})
    parts.keep_to_their_places(values["by_dialog"])
    assert values["undone"]
    both = [["wall", "red brick"], ["meadow", "green grass"]]
    assert (values["kept"], values["kept_layers"]) == (both, ["wall", "meadow"])
    assert "“pond” is gone: choose something else for its region" in values["lost"][1]
    assert "Say what to paint in “wall”" in values["wordless"][1]
    assert "regions[0] is an object with a prompt" in values["mistyped"][1]


def test_two_images_have_words_of_their_own_in_blender(
    sandbox: HostSandbox, swatch: Installation, arguments: dict[str, Any], tmp_path: Path
) -> None:
    sandbox.install_blender_extension(build("blender", tmp_path))
    with sandbox.open_blender(window=True, environ=swatch.places) as blender:
        values = blender.run(SCRIPTS / "regions_blender.py", timeout=500, **arguments)
        assert "Traceback" not in blender.output, blender.output
    assert "Say what to paint in “wall”" in values["wordless"]
    assert values["wordless"] in values["not_started"]
    both = ["placed", ["red brick", "green grass"]]
    assert values["generated"] == values["filled"] == values["varied"] == both
    for name in ("painted", "filled_picture"):
        parts.keep_to_their_places(values[name])
    assert (values["undone"], values["still"]) == (True, 2)
    assert values["control"] == ["placed", "swatch-lines", True]
    assert values["gone"] == "Choose the image that says where this region is."
    assert values["kept"] == [["wall", "red brick", "image"], ["meadow", "green grass", "image"]]
    assert values["lora"] == ["Ink wash", "Put into the prompt: inked", ""]
    assert values["put_on"] == [{"name": "ink", "strength": 0.5, "text_encoder_strength": 0.5}]
    the_lora_changes_the_picture(values)
