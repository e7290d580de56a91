"""An installation of underpaint in a folder of its own: daemon, command line, models."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

READY_S = 180.0


class Installation:
    """Folders for one daemon, the real command line to drive it, and an end that leaves nothing behind.

    `runtime` must be short: a Unix socket's path holds 103 bytes.
    """

    def __init__(self, folder: Path, runtime: Path, models: Path, **environ: str) -> None:
        self.folder = folder
        self.runtime = runtime
        self.models = models
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("UNDERPAINT_")},
            "UNDERPAINT_RUNTIME_DIR": str(runtime),
            "UNDERPAINT_STATE_DIR": str(folder / "state"),
            "UNDERPAINT_CONFIG_DIR": str(folder / "config"),
            "UNDERPAINT_MODEL_ROOTS": str(models),
            "UNDERPAINT_INSTALLED_MODELS": "no",
            "OMP_NUM_THREADS": "1",
            **environ,
        }
        self.daemon: subprocess.Popen[bytes] | None = None

    @property
    def places(self) -> dict[str, str]:
        """The variables by which a client finds this daemon."""
        return {name: value for name, value in self.environ.items() if name.startswith("UNDERPAINT_")}

    def run(self, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """`underpaint ARGUMENTS` as a user would call it."""
        command = [sys.executable, "-m", "underpaint", *arguments]
        return subprocess.run(
            command, env=self.environ, capture_output=True, text=True, timeout=timeout, cwd=self.folder
        )

    def json(self, *arguments: str) -> Any:
        """The same with `--json`; fails the test if the command does."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def serve(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Starts the daemon and waits until it answers."""
        log = (self.folder / "serve.log").open("ab")
        command = [sys.executable, "-m", "underpaint", "serve", *arguments]
        self.daemon = subprocess.Popen(command, env=self.environ, stdout=log, stderr=log)
        log.close()
        deadline = time.monotonic() + READY_S
        while not self.discovered():
            assert self.daemon.poll() is None, (self.folder / "serve.log").read_text("utf-8")
            assert time.monotonic() < deadline, "the daemon did not get ready"
            time.sleep(0.02)
        return self.daemon

    def discovered(self) -> bool:
        """Whether a discovery file of the daemon that we started lies there."""
        try:
            found = json.loads((self.runtime / "daemon.json").read_text("utf-8"))
        except (OSError, ValueError):
            return False
        return self.daemon is not None and bool(found["pid"] == self.daemon.pid)

    def kill(self) -> None:
        """As a crash would end the daemon."""
        assert self.daemon is not None
        self.daemon.kill()
        self.daemon.wait(60)

    def close(self) -> None:
        """Ends the daemon, whoever started it."""
        if self.daemon is not None and self.daemon.poll() is None:
            self.daemon.send_signal(signal.SIGTERM)
            self.daemon.wait(120)
        else:
            self.run("stop", "--drain", "0")
