"""The GIMP plug-in, installed from its zip, in the real GIMP with the real daemon and engine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import underpaint
from tests.hosts.gimp_setup import SCRIPTS, Daemon, install_plugin
from tests.hosts.models import SLOW_SIZE_PX, build_models
from tests.hosts.processes import SCRIPT_S, RunningHost
from tests.hosts.sandbox import HostSandbox
from underpaint.errors import JobNotFound
from underpaint.host.connection import RECONNECT_S
from underpaint.types import JobState

pytest.importorskip("tests.tiny_models", reason="the engine is not installed")
LOG = {"UNDERPAINT_LOG": "debug"}


@pytest.fixture(scope="module")
def daemon(module_sandbox: HostSandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    models = tmp_path_factory.mktemp("models")
    one = Daemon(module_sandbox, build_models(models), tmp_path_factory.mktemp("daemon") / "log")
    one.start()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def plugin(module_sandbox: HostSandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    module_sandbox.bind(SCRIPTS)
    return install_plugin(module_sandbox, tmp_path_factory.mktemp("zip"))


@pytest.fixture
def client(
    module_sandbox: HostSandbox, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> Iterator[underpaint.Client]:
    for name, value in module_sandbox.environ_outside.items():
        monkeypatch.setenv(name, value)
    with underpaint.connect(start=False) as one:
        yield one


def holds(gimp: RunningHost) -> list[float]:
    return [float(found) for found in re.findall(r"longest hold: ([\d.]+) ms", gimp.output)]


def painting_has_begun(gimp: RunningHost, steps: int) -> None:
    gimp.until(lambda: re.search(rf"Denoising \d+/{steps}\b", gimp.output), SCRIPT_S, "denoising")


@pytest.fixture(scope="module")
def batch(module_sandbox: HostSandbox, plugin: Path, daemon: Daemon) -> dict[str, Any]:
    with module_sandbox.open_gimp(environ=LOG) as gimp:
        values = gimp.run(SCRIPTS / "batch.py", timeout=900, scripts=str(SCRIPTS))
    print(f"\nGIMP, longest hold of the plug-in's main thread in each call: {holds(gimp)} ms")
    return values


def test_fill_changes_what_is_selected_and_nothing_beyond_its_soft_edge(batch: dict[str, Any]) -> None:
    assert batch["fill"] == ["success", ""]
    assert batch["selected"] > 5000
    assert batch["changed_selected"] >= batch["selected"] * 0.95
    assert batch["changed_uncovered"] == 0
    # Selected is x 93 to 202, y 51 to 170; the soft edge reaches a few pixels beyond and no further.
    left, top, right, bottom = batch["covered"]
    assert 93 - 32 <= left <= 93
    assert 51 - 32 <= top <= 51
    assert 202 <= right <= 202 + 32
    assert 170 <= bottom <= 170 + 32


def test_the_result_is_a_layer_on_top_at_its_place(batch: dict[str, Any]) -> None:
    x, y, width, height = batch["place"]
    assert x <= 93 and y <= 51 and x + width >= 203 and y + height >= 171
    assert x >= 0 and y >= 0 and x + width <= 301 and y + height <= 223
    assert batch["parent"]
    assert batch["name"] == "old brick wall"
    assert batch["others_same"]
    assert batch["restored"]


def test_the_same_seed_gives_the_same_picture(batch: dict[str, Any]) -> None:
    assert batch["same_seed_same"]
    assert batch["other_seed_other"]


def test_generate_starts_from_words_from_the_picture_and_from_a_layer(batch: dict[str, Any]) -> None:
    made = batch["made"]
    assert [made[name][:2] for name in ("words", "picture", "layer", "faint")] == [["success", ""]] * 4
    assert made["picture"][2:6] == made["layer"][2:6] == [0, 0, 301, 223]
    # Over the whole picture it lies on top, over one layer just above that layer.
    assert [made[name][6] for name in ("words", "picture", "layer")] == [0, 0, 1]
    assert len({made[name][7] for name in made}) == 4


def test_bad_input_is_refused_in_words_and_leaves_nothing_behind(batch: dict[str, Any]) -> None:
    refused = batch["refused"]
    assert refused["nothing to fetch"] == ["success", 0, ""]
    errors = {name: answer for name, answer in refused.items() if name != "nothing to fetch"}
    assert all(status in ("execution-error", "calling-error") for status, _, _ in errors.values())
    assert "no-such-model" in refused["model"][2]
    assert "10000 characters" in refused["prompt"][2]
    assert "no-such-scheduler" in refused["scheduler"][2]
    assert "“seven” is no seed" in refused["seed"][2]
    assert "Nothing is selected" in refused["selection"][2]
    assert "Image ▸ Mode ▸ RGB" in refused["indexed"][2]
    assert batch["untouched"]


def test_images_of_other_kinds_are_filled(batch: dict[str, Any]) -> None:
    assert len(batch["kinds"]) == 5
    for name, (status, error, *changed) in batch["kinds"].items():
        assert (status, error) == ("success", ""), name
        outside, inside = changed
        assert outside == 0, name
        assert inside > 5000, name


def test_by_hand_with_dialog_progress_one_undo_and_one_redo(
    module_sandbox: HostSandbox, plugin: Path, daemon: Daemon, tmp_path: Path
) -> None:
    with module_sandbox.open_gimp(window=True, environ=LOG) as gimp:
        task = gimp.begin(SCRIPTS / "by_hand.py", scripts=str(SCRIPTS))
        painting_has_begun(gimp, steps=600)
        progress = gimp.screenshot(tmp_path / "progress.png")
        values = task.finish(1800)
    assert not values["grey_ran"]
    assert values["layers"] == ["old brick wall", "glaze", "ground"]
    assert values["undone"], values
    assert values["redone"]
    assert values["remembered"].startswith("old brick wall")
    assert values["repeated"].startswith("old brick wall")
    # A bar that is behind skips steps, and on a quick machine whole stages.
    shown = [int(step) for step in re.findall(r"progress: Denoising (\d+)/600", gimp.output)]
    assert len(set(shown)) >= 5
    for picture in (values["dialog"], progress, values["result"]):
        assert Path(picture).stat().st_size > 10_000


def test_cancel_beside_the_progress_bar_cancels_the_job(
    module_sandbox: HostSandbox, plugin: Path, client: underpaint.Client
) -> None:
    with module_sandbox.open_gimp(window=True, environ=LOG) as gimp:
        task = gimp.begin(SCRIPTS / "cancelled.py", scripts=str(SCRIPTS))
        painting_has_begun(gimp, steps=900)
        [job] = [job for job in client.jobs() if not job.state.is_final]
        task.tell(denoising=True)
        task.until_reported("clicked")
        gimp.until(lambda: _is_over(client, job.name), SCRIPT_S, "end of the job")
        task.tell(gone=True)
        assert task.finish()["same"]


def _is_over(client: underpaint.Client, name: str) -> bool:
    found = [job for job in client.jobs() if job.name == name]
    assert not found or found[0].state is not JobState.SUCCEEDED
    return not found or found[0].state is JobState.CANCELLED


@pytest.mark.parametrize("gimp_is_gone", [False, True])
def test_a_killed_plugin_takes_its_job_along_only_if_gimp_lives(
    module_sandbox: HostSandbox, plugin: Path, client: underpaint.Client, gimp_is_gone: bool
) -> None:
    # Long enough for any guard to be there in time; the one that nobody cancels has to end.
    steps = 100 if gimp_is_gone else 900
    request = underpaint.GenerateRequest(
        prompt="moss", model="tiny-slow", width=SLOW_SIZE_PX, height=SLOW_SIZE_PX, steps=steps, seed=1
    )
    job = client.submit(request)
    gone = subprocess.Popen(["true"])
    gone.wait()
    subprocess.run(
        [sys.executable, "-m", "underpaint_gimp.guard", str(gone.pid if gimp_is_gone else os.getpid())],
        cwd=plugin,
        input=f"{job.name}\n",
        text=True,
        check=True,
        timeout=SCRIPT_S,
    )
    if gimp_is_gone:
        assert job.wait(timeout=600).state is JobState.SUCCEEDED
        job.delete()
    else:
        with pytest.raises(JobNotFound):
            job.wait(timeout=SCRIPT_S)


def test_a_daemon_that_is_killed_loses_no_work_and_gimp_says_so(
    module_sandbox: HostSandbox, plugin: Path, daemon: Daemon, tmp_path: Path
) -> None:
    module_sandbox.bind(tmp_path)
    with module_sandbox.open_gimp(environ=LOG) as gimp:
        task = gimp.begin(SCRIPTS / "lost_daemon.py", scripts=str(SCRIPTS), xcf=str(tmp_path / "kept.xcf"))
        painting_has_begun(gimp, steps=600)
        daemon.kill()
        daemon.start()
        assert task.until_reported("restarted", 600) == ["success", ""]
        assert task.until_reported("restarted_layers") == ["moss", "glaze", "ground"]

        task.tell(**{"go on": True})
        painting_has_begun(gimp, steps=601)
        daemon.kill()
        status, message = task.until_reported("lost", 600)
        assert status == "execution-error"
        assert "is kept and goes on when the daemon runs again" in message
        assert "underpaint serve" in message
        assert task.until_reported("lost_same")
        assert "underpaint serve" in task.until_reported("away")[1]

        daemon.start()
        task.tell(back=True)
        assert task.until_reported("fetched", 600) == ["success", 1, ""]
        assert task.until_reported("fetched_layer")[0] == "old stone"
        assert task.until_reported("fetched_again") == 0

        task.until_reported("saved")
        painting_has_begun(gimp, steps=602)
        gimp.kill()
    with module_sandbox.open_gimp(environ=LOG) as gimp:
        values = gimp.run(
            SCRIPTS / "another_day.py", timeout=600, scripts=str(SCRIPTS), xcf=str(tmp_path / "kept.xcf")
        )
    assert values["fetched"] == ["success", 1, ""]
    assert values["names"] == ["water", "glaze", "ground"]


def test_without_a_daemon_the_message_says_what_to_do(hosts_root: Path, tmp_path: Path, plugin: Path) -> None:
    with HostSandbox(hosts_root, tmp_path / "alone") as alone:
        install_plugin(alone, tmp_path / "zip")
        alone.bind(SCRIPTS)
        with alone.open_gimp() as gimp:
            values = gimp.run(
                "import sys\n"
                "import time\n"
                "def main(host):\n"
                "    sys.path.insert(0, host.arguments['scripts'])\n"
                "    from painting import call, painting\n"
                "    image = painting()\n"
                "    begun = time.monotonic()\n"
                "    host.report(answer=list(call('underpaint-fill', image, prompt='moss'))[::2])\n"
                "    host.report(seconds=time.monotonic() - begun)\n"
                "    image.delete()\n",
                scripts=str(SCRIPTS),
            )
    status, message = values["answer"]
    assert status == "execution-error"
    assert "underpaint serve" in message
    # It says so at once, and does not look for a minute as when a daemon went away.
    print(f"\nwithout a daemon, GIMP said so after {values['seconds']:.1f} s")
    assert values["seconds"] < RECONNECT_S
