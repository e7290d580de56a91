"""The verbs that every host has beside fill and generate, as a painter and as a script call them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.hosts import gimp_setup, wall
from tests.hosts.sandbox import HostSandbox
from tests.support.installation import Installation
from underpaint.cli.packaging import build, install

SCRIPTS = Path(__file__).parent / "scripts"
KONTEXT = {"native_size_px": 64, "max_size_px": 512, "title": "Tiny Kontext"}


@pytest.fixture
def kontext(swatch: Installation) -> Path:
    """A model of random weights that edits by instruction."""
    from tests.tiny_flux import build_tiny_flux

    folder = build_tiny_flux(swatch.folder / "models" / "kontext", kind="flux-kontext")
    traits = folder / "underpaint.json"
    traits.write_text(json.dumps({**json.loads(traits.read_text("utf-8")), **KONTEXT}), "utf-8")
    return folder


def test_krita_removes_refines_and_expands_in_one_undo_step_each(
    sandbox: HostSandbox, daemon: Installation, tmp_path: Path
) -> None:
    daemon.serve()
    install("krita", build("krita", tmp_path), home=sandbox.home, environ=sandbox.environ_outside)
    with sandbox.open_krita(plugins=("underpaint_krita",), environ=daemon.places) as krita:
        values = krita.run(SCRIPTS / "own_verbs_krita.py", timeout=300)
        assert "Traceback" not in krita.output
    for name in ("remove", "refine", "expand"):
        seen = values[name]
        assert (seen["state"], seen["problem"]) == ("placed", ""), name
        assert seen["changed"] and seen["undone"], name
    assert values["remove"]["inpaint"] == {"strength": 0.75, "fill_mode": "continue"}
    assert values["remove"]["prompt"] == ""
    assert values["refine"]["inpaint"] == {"strength": 0.5, "fill_mode": "keep"}
    # The new layer hangs over the canvas, which keeps its size.
    expanded = values["expand"]
    assert expanded["right"] >= expanded["width"] + 40


def test_krita_runs_every_verb_of_our_own_on_a_painters_picture(
    sandbox: HostSandbox, swatch: Installation, kontext: Path, tmp_path: Path
) -> None:
    install("krita", build("krita", tmp_path), home=sandbox.home, environ=sandbox.environ_outside)
    told = wall.arguments(tmp_path / "wall")
    sandbox.bind(tmp_path / "wall")
    with sandbox.open_krita(plugins=("underpaint_krita",), environ=swatch.places) as krita:
        values = krita.run(SCRIPTS / "wall_krita.py", timeout=600, **told)
        assert "Traceback" not in krita.output, krita.output
    print(values)
    before = wall.picture(values["before"])
    verbs = {
        "remove": "Remove",
        "refine": "Refine",
        "expand": "Expand",
        "pbr_maps": "Material maps",
        "edit": "make it night",
    }
    for name, layer in verbs.items():
        seen = values[name]
        assert (seen["state"], seen["problem"]) == ("placed", ""), name
        # Just above the layer that was active, which is so again; one step takes all of it away.
        assert (seen["order"], seen["active"]) == (["Background", layer, "top"], "Background"), name
        assert seen["undone"] and seen["left"] == ["Background", "top"], name
    assert values["both"] == ["Background", "Material maps", "Remove", "top"]
    assert (values["steps"], values["neither"]) == ([True, True], ["Background", "top"])
    removed, refined = (wall.picture(values[name]["seen"]) for name in ("remove", "refine"))
    wall.is_removed(before, removed)
    wall.is_confined(before, refined)
    x, y, width, height = values["expand"]["place"]
    assert (x + width, y + height) == (wall.WIDTH + 96, wall.HEIGHT + 40)
    wall.is_a_material(dict(values["pbr_maps"]["layers"]))
    assert wall.differs(before, wall.picture(values["edit"]["seen"])).mean() > 0.9

    assert values["upscale"] == ["placed", "", "wall, larger", 2 * wall.WIDTH, 2 * wall.HEIGHT]
    assert values["still"]
    wall.is_larger(before, wall.picture(values["larger"], 2 * wall.WIDTH, 2 * wall.HEIGHT))
    assert (values["cancelled"], values["opened"]) == ("cancelled", 0)
    assert any(" of " in stage for stage in values["stages"]), values["stages"]
    entries = values["greyed"]
    assert entries["Remove Selection: Nothing is selected: select a part of the picture first."] is False
    assert entries["Upscale…"] is True


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

    assert values["remove"]["layer"] == "Remove"
    wall.is_removed(before, wall.picture(values["remove"]["seen"]))
    assert values["refine"]["layer"] == "cobblestone"
    wall.is_confined(before, wall.picture(values["refine"]["seen"]))

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
    wall.is_a_material(maps)

    assert values["upscale"] == ["success", "", [2 * wall.WIDTH, 2 * wall.HEIGHT]]
    wall.is_larger(before, wall.picture(values["larger"], 2 * wall.WIDTH, 2 * wall.HEIGHT))

    assert "Nothing is selected" in values["refused"]["remove"][1]
    assert "on one side at least" in values["refused"]["expand"][1]
    assert "FLUX.1 Kontext" in values["refused"]["edit"][1]


def test_blender_repaints_an_image_and_makes_larger_ones_beside_it(
    sandbox: HostSandbox, swatch: Installation, tmp_path: Path
) -> None:
    sandbox.install_blender_extension(build("blender", tmp_path))
    told = wall.arguments(tmp_path / "wall")
    sandbox.bind(tmp_path / "wall")
    with sandbox.open_blender(window=True, environ=swatch.places) as blender:
        values = blender.run(SCRIPTS / "wall_blender.py", timeout=600, **told)
        assert "Traceback" not in blender.output, blender.output
    print(values)
    assert "Choose a mask image first" in values["no_mask"] and values["expand"] == ""
    before = wall.picture(*values["before"])
    for name in ("remove", "refine", "expand", "pbr_maps", "upscale"):
        seen = values[f"verb_{name}"]
        assert (seen["state"], seen["problem"]) == ("placed", ""), name
        assert seen["undone"], name
        if name not in ("remove", "refine"):
            assert not wall.differs(before, wall.picture(*seen["wall"])).any(), name
    wall.is_removed(before, wall.picture(*values["verb_remove"]["wall"]))
    wall.is_confined(before, wall.picture(*values["verb_refine"]["wall"]))

    ((name, file),) = values["verb_expand"]["images"].items()
    assert (name, file[1:]) == ("Wall expanded", [wall.WIDTH + 96, wall.HEIGHT + 40])
    assert values["verb_expand"]["shown"] == name
    wide = wall.picture(*file)
    assert (wide[..., 3] == 255).all()
    assert not wall.differs(wide[:280, :344], before[:280, :344]).any()
    assert wide[:, wall.WIDTH :, :3].std() > 20

    maps = values["verb_pbr_maps"]
    assert set(maps["spaces"].values()) == {"Non-Color"}
    assert maps["shown"] == "Wall", "a map is for a material"
    wall.is_a_material({name.removesuffix(" of Wall"): file[0] for name, file in maps["images"].items()})

    ((name, file),) = values["verb_upscale"]["images"].items()
    assert (name, file[1:]) == ("Wall, larger", [2 * wall.WIDTH, 2 * wall.HEIGHT])
    wall.is_larger(before, wall.picture(*file))
    assert values["planned"] and (values["cancelled"], values["made"]) == ("cancelled", [])
    assert "FLUX.1 Kontext" in values["refused"]
