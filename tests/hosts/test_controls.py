"""A layer with a drawing guides a picture in the real hosts, with the model in the box."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.hosts import follows, gimp_setup
from tests.hosts.sandbox import HostSandbox
from tests.support.installation import Installation
from underpaint.cli.packaging import build, install

SCRIPTS = Path(__file__).parent / "scripts"
MODEL = "swatch-lines"


@pytest.fixture
def arguments(sandbox: HostSandbox, tmp_path: Path) -> dict[str, Any]:
    """What every script is told."""
    folder = tmp_path / "drawing"
    folder.mkdir()
    sandbox.bind(folder)
    return {
        "strokes": str(follows.strokes(folder)),
        "edge": follows.EDGE,
        "prompt": follows.PROMPT,
        "seed": follows.SEED,
        "guidance": follows.GUIDANCE,
    }


def keeps_to_the_drawing(values: dict[str, Any]) -> None:
    """The edges agree with the drawing, and far less without it."""
    followed, free = (follows.agreement(follows.read(values[name])) for name in ("followed", "free"))
    print(f"agreement with the drawing: {followed:.2f}, without the control {free:.2f}")
    assert followed > 0.3
    assert followed > 1.6 * free


def finds_the_strokes(values: dict[str, Any]) -> None:
    """The control image is white where the drawing is, on black."""
    lines = follows.read(values["lines"])[..., 0]
    assert lines[follows.lines()].mean() > 2 * lines[~follows.lines()].mean()


def test_a_layer_guides_a_picture_in_krita(
    sandbox: HostSandbox, swatch: Installation, arguments: dict[str, Any], tmp_path: Path
) -> None:
    install("krita", build("krita", tmp_path), home=sandbox.home, environ=sandbox.environ_outside)
    with sandbox.open_krita(plugins=("underpaint_krita",), environ=swatch.places) as krita:
        values = krita.run(SCRIPTS / "controls_krita.py", timeout=400, **arguments)
        assert "Traceback" not in krita.output
    assert values["nothing_open"] == "Create or open a picture first."
    assert values["row"] == ["Line art", "sketch", "Line art"]
    assert values["roles"] == ["Canny", "Depth", "Height", "Line art"]
    assert values["places"] == ["sketch", "Background", "Selection", "Visible picture"]
    assert values["preprocessors"][:2] == ["As it is", "Line art"]
    assert values["still_unmodified"]
    assert values["folded"] and values["unfolded"]
    assert values["masks"] == ["Everywhere", "sketch", "Background", "Selection"]
    assert values["nets"] == [f"Automatic ({MODEL})", MODEL]
    assert values["state"] == "placed"
    assert values["sent"] == ["line-art", "line-art", MODEL] and values["masked"]
    assert follows.PROMPT in values["order"]
    assert values["undone"]
    keeps_to_the_drawing(values)
    assert values["made"] == "placed" and "Line art: sketch" in values["made_order"]
    assert values["made_row"] == ["Line art: sketch", "As it is", False]
    finds_the_strokes(values)
    assert values["made_undone"]
    assert "“Line art: sketch” is gone" in values["gone"]
    assert values["why_not"] == values["gone"]
    assert values["kept"] == ["Canny", "Line art: sketch", "As it is", 150, 80, "Background"]


def test_a_layer_guides_a_picture_in_gimp(
    sandbox: HostSandbox, swatch: Installation, arguments: dict[str, Any], tmp_path: Path
) -> None:
    gimp_setup.install_plugin(sandbox, tmp_path / "zip")
    sandbox.bind(gimp_setup.SCRIPTS)
    with sandbox.open_gimp(window=True, environ={**swatch.places, "UNDERPAINT_LOG": "debug"}) as gimp:
        script = gimp_setup.SCRIPTS / "controls.py"
        values = gimp.run(script, timeout=400, scripts=str(gimp_setup.SCRIPTS), **arguments)
        assert "Traceback" not in gimp.output, gimp.output
        # Of the one picture that a person asked for; scripts look at nothing.
        assert "preview of step" in gimp.output
    assert values["generate"] == ["success", ""]
    keeps_to_the_drawing(values)
    assert values["untouched"]
    refused = values["refused"]
    assert "takes no" in refused["role"][1] and "line-art" in refused["role"][1]
    assert "controls[0].stregth is none of role" in refused["json"][1]
    assert "“relief” is gone" in refused["layer"][1]
    assert "no-such" in refused["preprocessor"][1]
    assert values["made"] == ["success", "", "Line art: sketch"]
    finds_the_strokes(values)
    # The same picture by hand as by script.
    assert np.abs(follows.read(values["by_dialog"]) - follows.read(values["followed"]).astype(int)).max() <= 1
    assert values["undone"]
    assert values["made_by_hand"] == "Line art: sketch"
    assert values["keeps_to"] == [
        {"role": "line-art", "choice": values["tattoo"], "title": "Line art: sketch"}
    ]


def test_an_image_guides_a_texture_in_blender(
    sandbox: HostSandbox, swatch: Installation, arguments: dict[str, Any], tmp_path: Path
) -> None:
    sandbox.install_blender_extension(build("blender", tmp_path))
    with sandbox.open_blender(window=True, environ=swatch.places) as blender:
        values = blender.run(SCRIPTS / "controls_blender.py", timeout=400, **arguments)
        assert "Traceback" not in blender.output, blender.output
    assert "Add a control first" in values["none"]
    assert values["row"] == ["line-art", "sketch", "auto"]
    assert values["problem"] == ""
    assert values["roles"] == ["canny", "depth", "height", "line-art"]
    assert values["state"] == "placed"
    assert values["sent"] == ["line-art", "line-art", MODEL]
    keeps_to_the_drawing(values)
    assert values["undone"] and values["kept"] == 1
    assert values["made"] == ["placed", "Line art: sketch", ""]
    finds_the_strokes(values)
    assert "Taken as it is" in values["as_it_is"]
    assert "takes no pose image: choose canny, depth, height or line art" in values["refused"]
    assert values["refused"] in values["not_started"] and values["at_work"] == 0
    assert (values["masked"], values["unmasked"]) == ("", "")
    assert "“there” is gone" in values["mask_gone"]
    state, scaled = values["scaled"]
    assert state == "placed"
    assert (values["previewed"], values["still_shown"]) == (["generate_texture"], 0)
    assert follows.agreement(follows.read(scaled)) > 1.3 * follows.agreement(follows.read(values["free"]))
