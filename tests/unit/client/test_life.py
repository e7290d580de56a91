"""Threads, sockets, forks, the end of the interpreter: nothing is left behind."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

import underpaint
from tests.unit.client.waiting import SOON_S, eventually
from underpaint.client import connect
from underpaint.testing.fake_daemon import FakeDaemon
from underpaint.types import GenerateRequest, Image


def ours() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("underpaint")]


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def settle(before: int) -> None:
    deadline = time.monotonic() + SOON_S
    while ours() or open_files() > before:
        assert time.monotonic() < deadline, (ours(), open_files(), before)
        gc.collect()
        time.sleep(0.02)


def once() -> None:
    """All that the test below does: the daemon, which lives here too, opens some files at their first use."""
    with connect(start=False) as client:
        job = client.submit(GenerateRequest(image=Image(8, 8, bytes(256))))
        job.wait(SOON_S)
        job.fetch()
    del job
    settle(1 << 20)


def test_closing_leaves_no_thread_and_no_socket(daemon: FakeDaemon) -> None:
    once()
    before = open_files()
    for _ in range(5):
        once()
    settle(before)


def test_a_client_that_was_never_closed_ends_with_its_last_reference(daemon: FakeDaemon) -> None:
    once()
    before = open_files()
    client = connect(start=False)
    job = client.submit(GenerateRequest())
    del client
    job.wait(SOON_S)
    assert ours()
    del job
    settle(before)


def test_a_connection_that_failed_leaves_no_thread(folder: Path) -> None:
    with pytest.raises(underpaint.UnderpaintError):
        connect(start=False)
    settle(open_files())


def run(code: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *options, "-W", "error", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=4 * SOON_S,
        env={**os.environ, "UNDERPAINT_RUNTIME_DIR": str(folder)},
        check=False,
    )


def test_a_program_may_end_without_closing(daemon: FakeDaemon) -> None:
    done = run(
        """
        import underpaint
        from underpaint.client import leases
        leases._LAST_RELEASES = 60.0
        client = underpaint.connect(start=False)
        image = client.download(client.upload(underpaint.Image(8, 8, bytes(256))))
        print("end")
        """,
        daemon.folder,
        "-X",
        "dev",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")
    eventually(lambda: not list(daemon.pixels.iterdir()))


def test_a_forked_child_gets_a_connection_of_its_own(daemon: FakeDaemon) -> None:
    done = run(
        """
        import os, underpaint
        client = underpaint.connect(start=False)
        image = client.download(client.upload(underpaint.Image(8, 8, bytes(range(256)))))
        job = client.submit(underpaint.GenerateRequest(prompt="p"))
        job.wait(60)
        child = os.fork()
        if child == 0:
            assert bytes(image.data) == bytes(range(256))
            del image
            assert job.fetch()[0].width == 64
            assert client.submit(underpaint.GenerateRequest(prompt="q")).wait(60)
            client.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert job.fetch()[0].width == 64 and client.models()
        client.close()
        print("end")
        """.replace("import os", "import warnings; warnings.simplefilter('ignore'); import os"),
        daemon.folder,
    )
    assert (done.returncode, done.stdout) == (0, "end\n"), done.stderr


def test_importing_underpaint_loads_no_heavy_library() -> None:
    done = run(
        """
        import sys, underpaint
        assert not {"google", "grpclib"} & sys.modules.keys()
        underpaint.connect, underpaint.Session, underpaint.GenerateRequest
        found = {"torch", "numpy", "grpc", "diffusers", "PIL", "cv2"} & sys.modules.keys()
        assert not found, found
        print("end")
        """,
        Path("/nowhere"),
    )
    assert (done.returncode, done.stdout) == (0, "end\n"), done.stderr
