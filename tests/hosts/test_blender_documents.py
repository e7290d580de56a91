"""The real Blender: jobs whose file is closed before they end, and clicks before the daemon is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hosts.sandbox import HostSandbox
from tests.support.installation import Installation
from underpaint.cli import packaging

SCRIPT = Path(__file__).parent / "scripts/blender_comes_back.py"
ROUNDING = 1e-6


@pytest.fixture(scope="module")
def blender_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packaging.build("blender", tmp_path_factory.mktemp("zips"))


@pytest.fixture
def ready(sandbox: HostSandbox, daemon: Installation, blender_zip: Path) -> HostSandbox:
    """Blender with our extension, and a daemon that runs."""
    sandbox.install_blender_extension(blender_zip)
    daemon.serve()
    return sandbox


def test_a_picture_that_was_not_finished_comes_when_its_file_is_opened(
    ready: HostSandbox, daemon: Installation
) -> None:
    file = "/home/painter/wall.blend"
    with ready.open_blender(window=True, environ=daemon.places) as blender:
        left = blender.run(SCRIPT, case="leaves", file=file, timeout=120)
        blender.kill()
    assert left["noted"] == ["wall.blend|Painting"]
    with ready.open_blender(window=True, environ=daemon.places) as blender:
        values = blender.run(SCRIPT, case="returns", file=file, timeout=180)
    assert values["before_opening"] == left["noted"]
    assert values["inside"] > 0.9 and values["corner"] < ROUNDING, values
    assert values["said"] == []
    assert values["again"] == 0.0, "the file was not saved: what came is gone, and nothing comes twice"


def test_a_job_goes_on_while_another_file_is_open_and_waits_for_its_own(
    ready: HostSandbox, daemon: Installation
) -> None:
    values = ready.run_blender(
        SCRIPT,
        window=True,
        environ=daemon.places,
        arguments={"case": "elsewhere", "file": "/home/painter/wall.blend"},
        timeout=240,
    )
    assert (values["gone"], values["state"]) == (True, "kept"), values
    assert values["noted"] == ["wall.blend|Painting"]
    assert values["inside"] > 0.9 and values["corner"] < ROUNDING, values


def test_opening_a_file_asks_nobody_where_nothing_is_on_its_way(
    sandbox: HostSandbox, daemon: Installation, blender_zip: Path
) -> None:
    sandbox.install_blender_extension(blender_zip)
    values = sandbox.run_blender(
        SCRIPT,
        window=True,
        environ=daemon.places,
        arguments={"case": "quiet", "file": "/home/painter/wall.blend"},
        timeout=120,
    )
    assert values == {"session": False}


def test_clicks_before_the_daemon_is_there_mean_the_image_and_mask_of_the_click(
    ready: HostSandbox, daemon: Installation
) -> None:
    values = ready.run_blender(
        SCRIPT, window=True, environ=daemon.places, arguments={"case": "early"}, timeout=180
    )
    assert values["states"] == ["placed", "placed"]
    assert values["for_First"] and values["for_Second"]
    assert values["first_hole"] > 0.9, "its mask was painted black after the click"
    assert values["first_kept_stroke"] < ROUNDING, "what was painted after the click is still there"
    assert values["second_hole"] > 0.9
    assert values["second_at_the_firsts"] < ROUNDING
