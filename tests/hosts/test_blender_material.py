"""Make Material in the real Blender: maps of an image, and the shader that they are wired to."""

from __future__ import annotations

import pytest

from tests.hosts.sandbox import HostSandbox
from tests.hosts.test_blender_fill import SCRIPTS, blender_zip, ready
from tests.support.installation import Installation

__all__ = ["blender_zip", "ready"]  # fixtures


@pytest.mark.parametrize("window", [False, True], ids=["without a window", "with a window"])
def test_a_material_has_the_maps_of_its_image_connected(
    ready: HostSandbox, daemon: Installation, window: bool
) -> None:
    values = ready.run_blender(
        SCRIPTS / "blender_material.py", window=window, environ=daemon.places, timeout=600
    )
    print(values)
    titles = ["Ambient occlusion", "Height", "Normal", "Roughness"]
    assert values["made"] == [f"{title} of Wall" for title in titles], values["notices"]
    assert set(values["spaces"].values()) == {"Non-Color"}
    assert values["sizes"] == [[100, 100]] * 4
    assert values["float_height"] and values["packed"]
    assert values["material"] == "Wall"
    assert values["shader"] == {
        "Base Color": "ShaderNodeMix",
        "Roughness": "Roughness of Wall",
        "Normal": "ShaderNodeNormalMap",
    }
    assert values["color"] == {"A_Color": "Wall", "B_Color": "Ambient occlusion of Wall"}
    assert values["blend"] == ["RGBA", "MULTIPLY", 1.0]
    assert (values["normal"], values["height"]) == ("Normal of Wall", "Height of Wall")
    assert values["output"] == {
        "Surface": "ShaderNodeBsdfPrincipled",
        "Displacement": "ShaderNodeDisplacement",
    }
    assert values["scale"] == pytest.approx(0.05)
    rising, falling, _ = values["leans"]
    assert rising < 0.4 and falling > 0.6
    assert values["between_bytes"] > 0.1, "a height has more than 256 steps"
