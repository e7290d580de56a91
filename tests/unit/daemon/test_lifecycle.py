"""Starting, ending, being killed: real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.unit.daemon.harness import (
    SOON_S,
    Caller,
    Home,
    connect,
    draining,
    eventually,
    image_layout,
    mask_layout,
)
from underpaint.daemon import ALREADY_RUNNING
from underpaint.errors import EngineMissing, ShuttingDown
from underpaint.v1 import job_service_pb2 as pb
from underpaint.v1.model_service_pb2 import ListModelsRequest, LoadModelRequest
from underpaint.v1.server_service_pb2 import GetServerInfoRequest, ListPluginsRequest, ShutdownRequest
from underpaint.wire.status import status_to_error

RUNNING, SUCCEEDED, FAILED = pb.JOB_STATE_RUNNING, pb.JOB_STATE_SUCCEEDED, pb.JOB_STATE_FAILED


def gone(pid: int) -> bool:
    until = time.monotonic() + SOON_S
    while time.monotonic() < until:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


async def worker_pid(caller: Caller) -> int:
    until = time.monotonic() + SOON_S
    while True:
        assert time.monotonic() < until, "no worker got ready"
        info = await caller.call(caller.server.GetServerInfo, GetServerInfoRequest())
        if info.workers[0].state in ("ready", "busy"):
            return int(info.workers[0].pid)
        await asyncio.sleep(0.02)


def test_the_socket_and_the_token_are_for_their_user_only(running: Home) -> None:
    assert running.runtime.stat().st_mode & 0o077 == 0
    for name in ("daemon.sock", "daemon.json", "daemon.lock"):
        assert (running.runtime / name).stat().st_mode & 0o077 == 0, name
    assert len(running.discovery["token"]) == 64


def test_every_start_makes_a_new_token(home: Home) -> None:
    tokens = set()
    for _ in range(2):
        with home.daemon(UNDERPAINT_START_WORKERS="0"):
            tokens.add(home.discovery["token"])
    assert len(tokens) == 2


def test_a_second_server_says_who_runs_and_harms_nobody(running: Home) -> None:
    before = running.discovery
    second = running.popen()
    _, said = second.communicate(timeout=SOON_S)
    assert second.returncode == ALREADY_RUNNING == 3
    assert f"process {before['pid']} at {before['address']}" in said
    assert "underpaint stop" in said
    assert "Traceback" not in said
    assert running.discovery == before


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_daemon_and_leaves_nothing_behind(home: Home, how: signal.Signals) -> None:
    with home.daemon() as process:
        caller = connect(home)
        pid = await worker_pid(caller)
        await caller.channel.close()
        process.send_signal(how)
        assert await asyncio.to_thread(process.wait, SOON_S) == 0
    assert [path.name for path in home.runtime.iterdir()] == ["daemon.lock"]
    assert gone(pid)
    assert not list(home.pixels.iterdir())


async def test_draining_gives_running_jobs_their_time_and_refuses_new_ones(home: Home) -> None:
    with home.daemon(UNDERPAINT_DRAIN_S="600") as process:
        caller = connect(home)
        job = await caller.submit("steps=3 hold=1")
        await caller.until(job.name, RUNNING, step=1)
        watching = await caller.watched(job.name)
        process.send_signal(signal.SIGTERM)
        await draining(caller)
        with pytest.raises(ShuttingDown):
            await caller.submit("too late")
        home.let_go(job.name, 1)
        assert (await watching).state == SUCCEEDED
        assert await asyncio.to_thread(process.wait, SOON_S) == 0
        await caller.channel.close()


async def test_what_does_not_finish_in_time_is_run_by_the_next_daemon(home: Home) -> None:
    with home.daemon(UNDERPAINT_DRAIN_S="0.1", UNDERPAINT_JOBS_PER_WORKER="1") as process:
        caller = connect(home)
        running = await caller.submit("steps=3 hold=1")
        queued = await caller.submit("steps=1")
        seen = await caller.until(running.name, RUNNING, step=1)
        watching = await caller.watched(queued.name)
        process.send_signal(signal.SIGTERM)
        with pytest.raises(ShuttingDown, match="kept"):
            await watching
        assert await asyncio.to_thread(process.wait, SOON_S) == 0
        await caller.channel.close()
    home.let_go(running.name, 1)
    with home.daemon():
        caller = connect(home)
        for name in (running.name, queued.name):
            done = await caller.finish(name)
            assert done.state == SUCCEEDED
            assert done.sequence > seen.sequence
        await caller.channel.close()
    # It was put back in order, not lost: the attempt does not count.
    with sqlite3.connect(home.root / "state" / "jobs.sqlite") as connection:
        assert connection.execute("SELECT DISTINCT attempts FROM jobs").fetchall() == [(0,)]
    connection.close()


async def test_a_second_signal_does_not_wait(home: Home) -> None:
    with home.daemon(UNDERPAINT_DRAIN_S="600") as process:
        caller = connect(home)
        job = await caller.submit("steps=3 hold=1")
        await caller.until(job.name, RUNNING, step=1)
        process.send_signal(signal.SIGINT)
        # Two signals at once are one.
        await draining(caller)
        await caller.channel.close()
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(process.wait, SOON_S) == 0


async def test_after_a_kill_in_mid_job_nothing_finished_is_lost_and_the_rest_is_run(home: Home) -> None:
    with home.daemon() as process:
        caller = connect(home)
        finished = await caller.finish((await caller.submit("steps=2")).name)
        pixels = await caller.download(finished.results[0].image.blob)
        image = await caller.upload(image_layout(), b"\1" * (64 * 64 * 4))
        mask = await caller.upload(mask_layout(), b"\xff" * (64 * 64))
        spec = pb.JobSpec(prompt="steps=3 hold=2")
        spec.inpaint.image.blob, spec.inpaint.mask.blob = image, mask
        running = await caller.submit(spec=spec, request_id="the running one")
        seen = await caller.until(running.name, RUNNING, step=2)
        pid = await worker_pid(caller)
        process.kill()
        await caller.channel.close()
    assert gone(pid), "the worker must end with its daemon"
    assert (home.runtime / "daemon.json").exists()

    home.let_go(running.name, 2)
    with home.daemon():
        caller = connect(home)
        again = await caller.get(finished.name)
        assert again == finished
        assert await caller.download(again.results[0].image.blob) == pixels
        rest = [response.job for response in await caller.watch(running.name, after=seen.sequence)]
        assert rest[-1].state == SUCCEEDED
        assert rest[0].sequence > seen.sequence
        assert (await caller.submit(spec=spec, request_id="the running one")).name == running.name
        await caller.channel.close()
    assert [path.name for path in home.runtime.iterdir()] == ["daemon.lock"]


async def test_a_job_that_was_running_in_two_killed_daemons_is_not_run_a_third_time(home: Home) -> None:
    for attempt in range(2):
        with home.daemon() as process:
            caller = connect(home)
            if attempt == 0:
                job = await caller.submit("steps=3 hold=1")
            await caller.until(job.name, RUNNING, step=1)
            process.kill()
            await caller.channel.close()
    with home.daemon():
        caller = connect(home)
        done = await caller.get(job.name)
        assert done.state == FAILED
        assert status_to_error(done.error).reason == "WORKER_LOST"
        await caller.channel.close()


async def test_an_idle_daemon_ends_and_a_busy_one_does_not(home: Home) -> None:
    with home.daemon():
        caller = connect(home)
        job = await caller.submit("steps=3 hold=1")
        await caller.channel.close()
    # Its work is there before it could be idle.
    with home.daemon(UNDERPAINT_IDLE_TIMEOUT_S="0.4") as process:
        await asyncio.sleep(1.2)
        assert process.poll() is None
        caller = connect(home)
        await caller.until(job.name, RUNNING, step=1)
        home.let_go(job.name, 1)
        assert (await caller.finish(job.name)).state == SUCCEEDED
        assert await asyncio.to_thread(process.wait, SOON_S) == 0
        await caller.channel.close()


async def test_shutdown_says_what_stays_queued(home: Home) -> None:
    with home.daemon(UNDERPAINT_JOBS_PER_WORKER="1") as process:
        caller = connect(home)
        job = await caller.submit("steps=3 hold=1")
        await caller.until(job.name, RUNNING, step=1)
        await caller.submit("steps=1")
        response = await caller.call(caller.server.Shutdown, ShutdownRequest())
        assert response.queued_jobs == 1
        assert await asyncio.to_thread(process.wait, SOON_S) == 0
        await caller.channel.close()


@pytest.mark.parametrize("why", ["asked for", "long path"])
async def test_tcp_where_a_unix_socket_is_not_possible(home: Home, why: str, tmp_path: Path) -> None:
    more = {"UNDERPAINT_TRANSPORT": "tcp"}
    if why == "long path":
        home.runtime.rmdir()
        home.runtime = tmp_path / ("long" * 30)
        more = {"UNDERPAINT_RUNTIME_DIR": str(home.runtime)}
        home.environment.update(more)
    with home.daemon(**more):
        assert home.discovery["address"].startswith("tcp:127.0.0.1:")
        caller = connect(home)
        assert (await caller.finish((await caller.submit("steps=1")).name)).state == SUCCEEDED
        port = home.discovery["address"].rpartition(":")[2]
        folders = {
            f"UNDERPAINT_{name}_DIR": str(tmp_path / f"other-{name}")
            for name in ("RUNTIME", "STATE", "PIXEL")
        }
        other = home.popen(**folders, UNDERPAINT_TRANSPORT="tcp", UNDERPAINT_TCP_PORT=port)
        _, said = await asyncio.to_thread(other.communicate, timeout=SOON_S)
        assert other.returncode == 1
        assert "Is the port taken?" in said
        await caller.channel.close()


def test_a_unix_socket_that_was_asked_for_and_is_not_possible_is_an_error(home: Home, tmp_path: Path) -> None:
    long = tmp_path / ("long" * 30)
    process = home.popen(UNDERPAINT_TRANSPORT="unix", UNDERPAINT_RUNTIME_DIR=str(long))
    _, said = process.communicate(timeout=SOON_S)
    assert process.returncode == 1
    assert "UNDERPAINT_RUNTIME_DIR" in said
    assert "Traceback" not in said


def test_a_setting_that_makes_no_sense_ends_with_two(home: Home) -> None:
    process = home.popen(UNDERPAINT_DRAIN_S="soon")
    _, said = process.communicate(timeout=SOON_S)
    assert process.returncode == 2
    assert "UNDERPAINT_DRAIN_S" in said


async def test_without_an_engine_the_daemon_serves_and_says_what_is_missing(home: Home) -> None:
    del home.environment["UNDERPAINT_WORKER_COMMAND"]
    # An interpreter in which torch cannot be found, whatever is installed.
    blocker = home.root / "blocker"
    blocker.mkdir()
    (blocker / "sitecustomize.py").write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, package=None: None if name == 'torch' else find(name, package)\n"
    )
    home.environment["PYTHONPATH"] += os.pathsep + str(blocker)
    with home.daemon():
        caller = connect(home)
        with pytest.raises(EngineMissing, match="pip install 'underpaint\\[engine\\]'"):
            await caller.submit("anything")
        with pytest.raises(EngineMissing):
            await caller.call(caller.models.LoadModel, LoadModelRequest(name="tiny"))
        info = await caller.call(caller.server.GetServerInfo, GetServerInfoRequest())
        assert info.workers[0].state == "missing"
        assert "torch" in info.workers[0].problem
        assert len((await caller.call(caller.models.ListModels, ListModelsRequest())).models) == 1
        await caller.channel.close()


async def test_a_worker_that_cannot_start_fails_waiting_jobs_with_its_last_words(home: Home) -> None:
    with home.daemon(UNDERPAINT_SCRIPT="exit"):
        caller = connect(home)
        done = await caller.finish((await caller.submit("steps=1")).name)
        assert done.state == FAILED
        error = status_to_error(done.error)
        assert error.reason == "WORKER_LOST"
        assert "No module named 'torch'" in error.message
        info = await caller.call(caller.server.GetServerInfo, GetServerInfoRequest())
        assert info.workers[0].state == "lost"
        await caller.channel.close()


async def test_a_worker_that_never_answers_is_given_up(home: Home) -> None:
    with home.daemon(UNDERPAINT_SCRIPT="silent"):
        caller = connect(home)
        job = await caller.submit("steps=1")
        info = await caller.call(caller.server.GetServerInfo, GetServerInfoRequest())
        assert info.workers[0].state == "starting"
        await caller.channel.close()
    with home.daemon(UNDERPAINT_SCRIPT="silent", UNDERPAINT_WORKER_START_TIMEOUT_S="1"):
        caller = connect(home)
        done = await caller.finish(job.name)
        assert status_to_error(done.error).reason == "WORKER_LOST"
        await caller.channel.close()


async def test_workers_can_wait_for_the_first_job(home: Home) -> None:
    with home.daemon(UNDERPAINT_START_WORKERS="0") as process:
        caller = connect(home)
        await asyncio.sleep(0.3)
        assert psutil.Process(process.pid).children() == []
        assert (await caller.finish((await caller.submit("steps=1")).name)).state == SUCCEEDED
        await caller.channel.close()


async def test_two_devices_are_two_workers_and_one_queue(home: Home) -> None:
    with home.daemon(UNDERPAINT_DEVICES="cpu,other:1", UNDERPAINT_JOBS_PER_WORKER="1"):
        caller = connect(home)
        jobs = [await caller.submit("steps=3 hold=1") for _ in range(2)]
        await asyncio.gather(*(caller.until(job.name, RUNNING, step=1) for job in jobs))
        info = await caller.call(caller.server.GetServerInfo, GetServerInfoRequest())
        assert [(worker.device, worker.state) for worker in info.workers] == [
            ("cpu", "busy"),
            ("other:1", "busy"),
        ]
        await caller.channel.close()


async def test_finished_jobs_are_kept_as_long_as_settings_say(home: Home) -> None:
    with home.daemon():
        caller = connect(home)
        names = [(await caller.finish((await caller.submit("steps=1")).name)).name for _ in range(3)]
        await caller.channel.close()
    with home.daemon(UNDERPAINT_KEEP_FINISHED_JOBS="1"):
        caller = connect(home)
        until = time.monotonic() + SOON_S
        while len((await caller.call(caller.jobs.ListJobs, pb.ListJobsRequest())).jobs) > 1:
            assert time.monotonic() < until
            await asyncio.sleep(0.02)
        (left,) = (await caller.call(caller.jobs.ListJobs, pb.ListJobsRequest())).jobs
        assert left.name == names[-1]
        await eventually(lambda: len(list(home.pixels.glob("*.px"))) == 1, "old pixels stay")
        await caller.channel.close()


async def test_the_daemon_describes_itself(running: Home, caller: Caller) -> None:
    info = await caller.call(caller.server.GetServerInfo, GetServerInfoRequest())
    assert info.pid == running.discovery["pid"]
    assert (info.protocol_minimum, info.protocol_maximum) == (1, 1)
    assert {"mapped-pixels", "chunked-pixels"} <= set(info.capabilities)
    plugins = await caller.call(caller.server.ListPlugins, ListPluginsRequest())
    assert {"sd15"} <= {plugin.name for plugin in plugins.plugins}


def test_the_daemon_imports_neither_torch_nor_numpy() -> None:
    code = (
        "import sys, underpaint.daemon.server, underpaint.daemon.plugins as p; p.Plugins();"
        "print(sorted({'torch', 'numpy', 'diffusers', 'transformers', 'PIL'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_settings_can_be_had_without_grpc() -> None:
    code = "import sys; from underpaint.daemon import Settings; Settings(); print('grpc' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"
