"""What tests of the GIMP plug-in share: the plug-in installed as a user would, and a daemon to talk to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.hosts.sandbox import HostSandbox
from underpaint.cli.packaging.build import build
from underpaint.cli.packaging.install import install

SCRIPTS = Path(__file__).parent / "gimp_scripts"


def install_plugin(sandbox: HostSandbox, folder: Path) -> Path:
    """Builds the zip and installs it where the sandbox's GIMP looks."""
    environ = {**os.environ, **sandbox.environ_outside}
    folder.mkdir(parents=True, exist_ok=True)
    return install("gimp", build("gimp", folder), home=sandbox.home, environ=environ)


class Daemon:
    """The real daemon with the real engine, outside the sandbox, meeting the hosts in its folders."""

    def __init__(self, sandbox: HostSandbox, models: Path, log: Path) -> None:
        self._environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("UNDERPAINT_")},
            **sandbox.environ_outside,
            "UNDERPAINT_MODEL_ROOTS": str(models),
            "UNDERPAINT_INSTALLED_MODELS": "no",
            "UNDERPAINT_LOG_LEVEL": "debug",
            "OMP_NUM_THREADS": "1",
        }
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, seconds: float = 240) -> None:
        """Starts it and waits until its worker is ready."""
        said = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "underpaint.daemon"],
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + seconds
        while b"worker is ready" not in self._log.read_bytes()[said:]:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the daemon did not get ready:\n{self.output[-3000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """kill -9: as if the power of this one process went."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        """Ends it as Ctrl-C does; nothing if it does not run."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(120)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
            self._process = None

    @property
    def output(self) -> str:
        """What it has printed."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""
