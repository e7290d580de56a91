# SPDX-License-Identifier: GPL-3.0-or-later
"""Cancels a job when its plug-in was killed.

*Cancel* beside GIMP's progress bar kills the plug-in's process (SIGKILL, 10 ms after a message that it may
not get to read), so nobody is left to cancel the job. A second process, this module run with `-m`, holds the
end of a pipe: when the pipe breaks without a farewell and GIMP lives on, it was the user, and the job is
cancelled. When GIMP is gone too, it crashed or was closed: the job goes on, for *Fetch Results*.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

FAREWELL = "done"
GRACE_S = 1.0
"""A GIMP that quits kills its plug-ins first and is gone a moment later."""


class Guard:
    """The plug-in's side. Call it on the main thread."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._job = ""

    def watch(self, job: str) -> None:
        """From now on `job` is cancelled if this process is killed."""
        if job == self._job:
            return
        self._job = job
        if self._process is None:
            self._process = _start()
        self._say(job)

    def release(self) -> None:
        """Nothing is to be cancelled any more."""
        if self._process is not None:
            self._say(FAREWELL)
            self._process.communicate()
            self._process = None

    def _say(self, line: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            # A guard that is gone cannot cancel, and that is all.
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(line + "\n")
                self._process.stdin.flush()


def _start() -> subprocess.Popen[str]:
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    return subprocess.Popen(
        [sys.executable, "-m", __name__, str(os.getppid())],
        cwd=Path(__file__).parents[__name__.count(".")],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        creationflags=flags,
    )


def _main() -> None:
    gimp = int(sys.argv[1])
    jobs = []
    for line in sys.stdin:
        if line.strip() == FAREWELL:
            return
        jobs.append(line.strip())
    time.sleep(GRACE_S)
    if jobs and _is_alive(gimp):
        _cancel(jobs)


def _cancel(jobs: list[str]) -> None:
    import underpaint
    from underpaint.errors import JobCancelled, JobNotFound

    with underpaint.connect() as client:
        for name in jobs:
            job = client.job(name)
            with contextlib.suppress(JobNotFound):
                job.cancel()
                try:
                    job.wait(timeout=60)
                except JobCancelled:
                    job.delete()


def _is_alive(pid: int) -> bool:
    if sys.platform == "win32":
        import ctypes

        synchronize, timed_out = 0x00100000, 0x00000102
        kernel = ctypes.windll.kernel32
        handle = kernel.OpenProcess(synchronize, False, pid)
        if not handle:
            return False
        try:
            return bool(kernel.WaitForSingleObject(handle, 0) == timed_out)
        finally:
            kernel.CloseHandle(handle)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    _main()
