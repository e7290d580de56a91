"""The verbs that every host has beside fill and generate, as a painter and as a script call them."""

from __future__ import annotations

from pathlib import Path

from tests.hosts import gimp_setup, wall
from tests.hosts.sandbox import HostSandbox
from tests.support.installation import Installation
from underpaint.cli.packaging import build, install

SCRIPT = Path(__file__).parent / "scripts" / "own_verbs_krita.py"


def test_krita_removes_refines_and_expands_in_one_undo_step_each(
    sandbox: HostSandbox, daemon: Installation, tmp_path: Path
) -> None:
    daemon.serve()
    install("krita", build("krita", tmp_path), home=sandbox.home, environ=sandbox.environ_outside)
    with sandbox.open_krita(plugins=("underpaint_krita",), environ=daemon.places) as krita:
        values = krita.run(SCRIPT, timeout=300)
        assert "Traceback" not in krita.output
    for name in ("remove", "refine", "expand"):
        seen = values[name]
        assert (seen["state"], seen["problem"]) == ("placed", ""), name
        assert seen["changed"] and seen["undone"], name
    assert values["remove"]["inpaint"] == {"strength": 0.4, "fill_mode": "continue"}
    assert values["remove"]["prompt"] == ""
    assert values["refine"]["inpaint"] == {"strength": 0.5, "fill_mode": "keep"}
    # The new layer hangs over the canvas, which keeps its size.
    expanded = values["expand"]
    assert expanded["right"] >= expanded["width"] + 40


def test_gimp_has_a_procedure_for_each_and_undoes_it_in_one_step(
    sandbox: HostSandbox, swatch: Installation, tmp_path: Path
) -> None:
    gimp_setup.install_plugin(sandbox, tmp_path / "zip")
    told = wall.arguments(tmp_path / "wall")
    sandbox.bind(gimp_setup.SCRIPTS, tmp_path / "wall")
    with sandbox.open_gimp(window=True, environ=swatch.places) as gimp:
        script = gimp_setup.SCRIPTS / "own_verbs.py"
        values = gimp.run(script, timeout=600, scripts=str(gimp_setup.SCRIPTS), **told)
        assert "Traceback" not in gimp.output, gimp.output
    before = wall.picture(values["before"])
    for name in ("remove", "refine", "expand", "variation", "pbr-maps"):
        assert values[name].get("error", "") == "", name
        assert values[name]["position"] == 0, name
        assert values[name]["undone"], name

    removed = wall.picture(values["remove"]["seen"])
    assert values["remove"]["layer"] == "Remove"
    assert wall.green(removed) < 0.1 * wall.green(before)
    assert values["refine"]["layer"] == "stone wall"
    refined = wall.picture(values["refine"]["seen"])
    for seen in (removed, refined):
        changed = wall.differs(before, seen)
        assert changed[wall.covered() == 255].mean() > 0.99
        assert not changed[wall.beyond(48)].any()

    assert values["expand"]["layer"] == "Expand"
    assert values["expand"]["canvas"] == [wall.WIDTH + 96, wall.HEIGHT + 40]
    x, y, width, height = values["expand"]["place"]
    assert (x + width, y + height) == (wall.WIDTH + 96, wall.HEIGHT + 40)
    wide = wall.picture(values["expand"]["seen"], wall.WIDTH + 96, wall.HEIGHT + 40)
    assert (wide[..., 3] == 255).all()
    assert not wall.differs(wide[:288, :352], before[:288, :352]).any()
    assert wide[:, wall.WIDTH :, :3].std() > 20, "a wall, not its edge drawn out"

    maps = dict(values["pbr-maps"]["layers"])
    assert list(maps) == ["Ambient occlusion", "Roughness", "Normal", "Height"]
    pictures = {name: wall.picture(file) for name, file in maps.items()}
    assert pictures["Normal"][..., 2].min() > 120 and pictures["Normal"][..., 0].std() > 10
    assert wall.is_grey(pictures["Height"])

    assert "Nothing is selected" in values["refused"]["remove"][1]
    assert "on one side at least" in values["refused"]["expand"][1]
    assert "FLUX.1 Kontext" in values["refused"]["edit"][1]
