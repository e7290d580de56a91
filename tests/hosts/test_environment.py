"""The test environment itself: each real host opens, paints, shows it, and quits."""

from __future__ import annotations

import socket
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.drivers.engines import processes
from tests.hosts.processes import SCRIPT_S, HostDidNotStart, HostFailed, HostTask, HostTimeout, RunningHost
from tests.hosts.sandbox import HOME_INSIDE, HostSandbox

SCRIPTS = Path(__file__).parent / "scripts"
ORANGE = (255, 128, 0)
BLENDER_MANIFEST = """\
schema_version = "1.0.0"
id = "tiny"
version = "1.0.0"
name = "Tiny"
tagline = "Says that it is here"
maintainer = "underpaint"
type = "add-on"
blender_version_min = "4.2.0"
license = ["SPDX:GPL-3.0-or-later"]
"""


def seen_orange(host: RunningHost, task: HostTask) -> dict[str, Any]:
    """What a script reports whose picture a person would now see; drawing may come a while after it."""
    task.until_reported("shown")
    host.until(lambda: host.share_of_screen(ORANGE) > 0.1, SCRIPT_S, "orange on the screen")
    task.tell(seen=True)
    return task.finish()


def test_krita_paints_a_layer_that_one_undo_takes_away(sandbox: HostSandbox) -> None:
    with sandbox.open_krita() as krita:
        values = seen_orange(krita, krita.begin(SCRIPTS / "krita_paints.py"))
        with pytest.raises(HostFailed, match="in a slot.*\n(.*\n)*ZeroDivisionError"):
            krita.run(SCRIPTS / "krita_slot_fails.py")
    assert values["version"].startswith("5.2")
    assert values["painted"]
    assert values["layers"] == ["Background", "orange"]
    assert values["undone"]
    assert krita.returncode == 0
    print(f"Krita started in {krita.start_seconds:.1f} s")


def test_gimp_reads_back_the_bytes_of_a_layer_in_batch_mode(sandbox: HostSandbox) -> None:
    values = sandbox.run_gimp(SCRIPTS / "gimp_paints.py")
    assert values["version"].startswith("3.0")
    assert values["pixel"] == [*ORANGE, 255]
    assert values["even"]


def test_gimp_shows_an_image_in_its_window(sandbox: HostSandbox) -> None:
    with sandbox.open_gimp(window=True) as gimp:
        seen_orange(gimp, gimp.begin(SCRIPTS / "gimp_paints.py", show=True))
    print(f"GIMP's window started in {gimp.start_seconds:.1f} s")


def test_blender_writes_and_reads_an_image_without_a_window(sandbox: HostSandbox) -> None:
    values = sandbox.run_blender(SCRIPTS / "blender_paints.py")
    assert values["version"].startswith("4.3")
    assert values["background"]
    assert values["worst"] <= 1 / 255


def test_blender_shows_an_image_in_its_window(sandbox: HostSandbox) -> None:
    with sandbox.open_blender(window=True) as blender:
        values = seen_orange(blender, blender.begin(SCRIPTS / "blender_paints.py"))
    assert not values["background"]
    print(f"Blender's window started in {blender.start_seconds:.1f} s")


def test_gimp_finds_a_plugin_that_is_put_into_the_home(sandbox: HostSandbox) -> None:
    plugin = sandbox.gimp_plugins / "tiny/tiny.py"
    plugin.parent.mkdir(parents=True)
    plugin.write_text((SCRIPTS / "gimp_tiny_plugin.py").read_text())
    plugin.chmod(0o755)
    script = (
        "def main(host):\n    pdb = Gimp.get_pdb()\n    host.report(found=pdb.procedure_exists('tiny'))\n"
    )
    assert sandbox.run_gimp(f"from gi.repository import Gimp\n\n\n{script}") == {"found": True}


def test_blender_enables_an_extension_that_its_own_importer_installed(
    sandbox: HostSandbox, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "tiny.zip", "w") as archive:
        archive.writestr("blender_manifest.toml", BLENDER_MANIFEST)
        archive.writestr("__init__.py", "def register():\n    print('tiny is here')\n")
    sandbox.install_blender_extension(tmp_path / "tiny.zip")
    assert (sandbox.blender_extensions / "tiny/__init__.py").is_file()
    with sandbox.open_blender() as blender:
        assert "tiny is here" in blender.output


def test_a_script_that_fails_brings_its_traceback_and_the_host_goes_on(
    sandbox: HostSandbox,
) -> None:
    with sandbox.open_blender() as blender:
        with pytest.raises(HostFailed, match="ZeroDivisionError"):
            blender.run("def main(host):\n    1 / 0\n")
        assert blender.run("def main(host):\n    host.report(fine=True)\n") == {"fine": True}


def test_a_host_that_hangs_is_killed_and_its_last_screenshot_named(sandbox: HostSandbox) -> None:
    blender = sandbox.open_blender(window=True)
    with pytest.raises(HostTimeout, match=r"last screenshot: .*timeout\.png"):
        blender.run("import time\n\ndef main(host):\n    time.sleep(3600)\n", timeout=1)
    assert blender.returncode is not None


def test_what_runs_inside_has_a_scrubbed_environment_and_its_own_home(
    sandbox: HostSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    printed = sandbox.run(["sh", "-c", "env; touch ~/here"]).output
    assert f"HOME={HOME_INSIDE}\n" in printed
    assert "PYTHONPATH" not in printed
    assert (sandbox.home / "here").exists()


def test_a_unix_socket_of_the_machine_is_reached_from_inside(sandbox: HostSandbox) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(sandbox.runtime / "daemon.sock"))
        server.listen()
        call = "import os, socket; socket.socket(socket.AF_UNIX).connect({!r})"
        finished = sandbox.run(["python3", "-c", call.format(str(sandbox.runtime / "daemon.sock"))])
    assert finished.returncode == 0, finished.output


def test_killing_a_process_leaves_no_mount_behind(sandbox: HostSandbox) -> None:
    blender = sandbox.open_blender()
    blender.kill()
    assert "painter" not in Path("/proc/self/mounts").read_text()
    assert list(sandbox.home.iterdir())  # what was shown inside is all still there


def test_when_a_host_was_killed_nothing_that_it_started_is_left(sandbox: HostSandbox) -> None:
    # A number that no other process has among its arguments: this sandbox's own.
    long = f"1000000.{abs(hash(sandbox.home)):019d}"
    with sandbox.open_blender() as blender:
        script = f"import subprocess\n\ndef main(host):\n    subprocess.Popen(['sleep', '{long}'])\n"
        blender.run(script)
        blender.until(lambda: processes("sleep", long), SCRIPT_S, "a child of Blender")
        blender.kill()
        assert processes("sleep", long) == []


def test_a_host_that_cannot_start_is_told_from_a_script_that_fails(sandbox: HostSandbox) -> None:
    with pytest.raises(
        HostDidNotStart, match=r"ended \(1\) before: start\n(.*\n)*.*No such file or directory"
    ):
        sandbox.open_blender(environ={"UNDERPAINT_TEST_TASKS": "/nowhere"})
