"""Fill Mask on an image that a mesh shows, in the real Blender: its UV islands alone."""

from __future__ import annotations

import pytest

from tests.hosts.sandbox import HostSandbox
from tests.hosts.test_blender_fill import SCRIPTS, blender_zip, ready
from tests.support.installation import Installation

__all__ = ["blender_zip", "ready"]  # fixtures


@pytest.mark.parametrize("window", [False, True], ids=["without a window", "with a window"])
def test_an_image_on_a_mesh_is_painted_on_its_uv_islands_and_padded_beyond(
    ready: HostSandbox, daemon: Installation, window: bool
) -> None:
    values = ready.run_blender(
        SCRIPTS / "blender_islands.py", window=window, environ=daemon.places, timeout=900
    )
    print(values)
    assert 0.2 < values["islands"] < 0.6, "the cube that Blender starts with, unwrapped as a cross"
    assert values["inside"] > 0.9, values["notices"]
    assert values["ring"] > 0.9 and values["straight"] > 20 and values["padded"]
    assert values["outside"] == 0
    assert values["without"] > 0.9, "with UV Islands off the whole image is painted"
    if window:
        assert values["texture"] == [128, 128]
        assert values["texture_shows"] == pytest.approx(values["islands"], abs=0.35)
        assert values["clear"] > 0.2
