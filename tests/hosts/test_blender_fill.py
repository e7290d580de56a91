"""Fill Mask and Generate Texture in the real Blender, through the zip that users install."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.hosts.drivers.engines import engines, held
from tests.hosts.processes import SCRIPT_S
from tests.hosts.sandbox import HostSandbox
from tests.support.installation import Installation
from underpaint.cli import packaging

SCRIPTS = Path(__file__).parent / "scripts"
BUDGET_MS = 16.0
BUDGET_LARGE_MS = 120.0


@pytest.fixture(scope="session")
def blender_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packaging.build("blender", tmp_path_factory.mktemp("zips"))


@pytest.fixture
def ready(sandbox: HostSandbox, daemon: Installation, blender_zip: Path) -> HostSandbox:
    """Blender with our extension, and a daemon that runs."""
    sandbox.install_blender_extension(blender_zip)
    daemon.serve()
    return sandbox


@pytest.mark.parametrize("window", [False, True], ids=["without a window", "with a window"])
def test_fill_mask_paints_the_hole_only_and_undoes_in_one_step(
    ready: HostSandbox, daemon: Installation, window: bool
) -> None:
    values: dict[str, Any] = ready.run_blender(
        SCRIPTS / "blender_fills.py",
        window=window,
        environ=daemon.places,
        # So many steps that a quick machine, too, has progress to show.
        arguments={"steps": 600},
        timeout=900,
    )
    print(values)
    assert values["inside"] > 0.9, values
    assert values["outside"] == 0
    assert (values["name"], values["size"]) == ("Painting", [300, 300])
    assert values["undone"] and values["undone_user"] == "Painting"
    assert values["redone"], values
    assert values["progress"] > 2
    print(f"\nBlender held for at most {values['longest_ms']:.1f} ms ({values['longest_what']})")


@pytest.mark.parametrize("edge", [1024, 4096])
def test_blender_is_held_only_shortly(ready: HostSandbox, daemon: Installation, edge: int) -> None:
    values = ready.run_blender(
        SCRIPTS / "blender_fills.py",
        environ=daemon.places,
        arguments={"edge": edge, "steps": 1},
        timeout=900,
    )
    assert values["outside"] == 0
    budget = BUDGET_MS if edge == 1024 else BUDGET_LARGE_MS
    print(
        f"\nBlender at {edge}²: held for at most {values['longest_ms']:.1f} ms ({values['longest_what']});"
        f" budget {budget:.0f} ms"
    )


def test_cancel_ends_the_job_and_leaves_the_image(ready: HostSandbox, daemon: Installation) -> None:
    values = ready.run_blender(
        SCRIPTS / "blender_fills.py",
        window=True,
        environ=daemon.places,
        arguments={"cancel": True, "steps": 900},
        timeout=600,
    )
    assert values == {"state": "cancelled", "unchanged": True}


def test_a_killed_daemon_gives_a_readable_message_and_loses_no_work(
    ready: HostSandbox, daemon: Installation
) -> None:
    with ready.open_blender(window=True, environ=daemon.places) as blender:
        task = blender.begin(SCRIPTS / "blender_fills.py", killed=True, steps=60)
        blender.until(lambda: engines(daemon.runtime), SCRIPT_S, "an engine")
        with held(daemon.runtime):  # so that the job is at work when the daemon dies, however few its steps
            task.until_reported("submitted")
            daemon.kill()
        task.until_reported("said")
        daemon.serve()
        values = task.finish(900)
    assert any("daemon" in text and "kept" in text for text in values["said"]), values
    assert (values["state"], values["inside"] > 0.9) == ("placed", True), values
