"""A stranger's verb, dropped as a wheel beside the settings, in the real hosts: shown, refused, run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.hosts import gimp_setup, third_party
from tests.hosts.sandbox import HostSandbox
from tests.support.installation import Installation
from underpaint.cli.packaging import build, install

SCRIPTS = Path(__file__).parent / "scripts"
TOOLTIP = "Paints the selection anew, old and worn."


@pytest.fixture
def extended(daemon: Installation) -> Installation:
    """A daemon that runs, and the wheel where hosts look for it."""
    third_party.wheel(daemon.folder / "config")
    daemon.serve()
    return daemon


def is_worn(values: dict[str, Any]) -> None:
    """The verb ran with the values that were chosen, and the panel's own settings."""
    assert values["state"] == "placed"
    assert (values["prompt"], values["seed"]) == ("worn moss and wet", 7)
    assert values["strength"] == pytest.approx(0.5)


def test_krita_lists_it_in_the_docker_and_as_an_action(
    sandbox: HostSandbox, extended: Installation, tmp_path: Path
) -> None:
    install("krita", build("krita", tmp_path), home=sandbox.home, environ=sandbox.environ_outside)
    with sandbox.open_krita(plugins=("underpaint_krita",), environ=extended.places) as krita:
        values = krita.run(SCRIPTS / "verbs_krita.py", timeout=300)
        assert "Traceback" not in krita.output
    text, tooltip, enabled = values["nothing_open"]["underpaint_verb_variation"]
    assert "No picture is open" in text and not enabled
    text, tooltip, enabled = values["nothing_selected"]["underpaint_verb_wear_down"]
    assert (text.startswith("Wear Down: Nothing is selected"), tooltip, enabled) == (True, TOOLTIP, False)
    assert values["nothing_selected"]["underpaint_verb_variation"][::2] == ["Variation…", True]
    assert values["selected"]["underpaint_verb_wear_down"] == ["Wear Down…", TOOLTIP, True]
    assert (values["fields"], values["title"]) == ({"how": "", "wear": 0.6}, "Wear Down")
    is_worn(values)
    assert "worn moss and wet" in values["layers"]
    assert values["remembered"] == {"how": " and wet", "wear": 0.5}
    assert values["refused"][-1] == "Say what shall look worn."
    assert values["still_open"]


def test_blender_has_an_operator_for_it_and_shows_it_in_the_panel(
    sandbox: HostSandbox, extended: Installation, tmp_path: Path
) -> None:
    sandbox.install_blender_extension(build("blender", tmp_path))
    with sandbox.open_blender(window=True, environ=extended.places) as blender:
        values = blender.run(SCRIPTS / "verbs_blender.py", timeout=300)
        assert "Traceback" not in blender.output, blender.output
    assert values["problems"] == []
    assert "Open an image in this editor first" in values["no_image"]
    assert "Choose a mask image first" in values["no_mask"]
    assert (values["variation"], values["ready"]) == ("", "")
    assert (values["label"], values["tooltip"]) == ("Wear Down", TOOLTIP)
    offered = ["edit", "expand", "pbr-maps", "refine", "remove", "upscale", "variation", "wear-down"]
    assert values["offered"] == offered
    is_worn(values)
    assert values["inside"] > 0.9 and not values["corner"]
    assert "Say what shall look worn." in values["refused"]


@pytest.mark.parametrize("window", [False, True], ids=["as a procedure", "in the dialog"])
def test_gimp_runs_it_by_name_and_in_the_dialog(
    sandbox: HostSandbox, extended: Installation, tmp_path: Path, window: bool
) -> None:
    gimp_setup.install_plugin(sandbox, tmp_path / "zip")
    sandbox.bind(gimp_setup.SCRIPTS)
    with sandbox.open_gimp(window=window, environ=extended.places) as gimp:
        scripts = str(gimp_setup.SCRIPTS)
        values = gimp.run(gimp_setup.SCRIPTS / "verbs.py", timeout=300, scripts=scripts, window=window)
        assert "Traceback" not in gimp.output, gimp.output
    assert values["wear"] == ["success", "", "worn moss and wet"]
    assert values["variation"] == ["success", "", 0]
    refused = {name: (status, said) for name, (status, _, said) in values["refused"].items()}
    assert {status for status, _ in refused.values()} == {"calling-error"}
    assert (
        "there are: edit, expand, pbr-maps, refine, remove, upscale, variation, wear-down"
        in refused["unknown"][1]
    )
    assert "wear must be 0.1 to 1" in refused["range"][1]
    assert "as JSON" in refused["json"][1]
    assert "Say what shall look worn." in refused["verb"][1]
    assert "Nothing is selected" in refused["selection"][1]
    assert values["untouched"]
    if window:
        assert not values["grey_ran"]
        assert values["by_hand"].startswith("worn moss")
