"""A command running in a sandbox, and the tasks that a test gives to a host in one."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.hosts.drivers.screen import read_screen, save_png

Script = Path | str
"""A test's script for a host: a file, or the source itself."""

# Limits are for what never comes: a busy machine may be many times slower than one that is not.
START_S = 300.0
"""Longest that a host may take to open its window and take scripts."""
SCRIPT_S = 240.0
"""Longest that a script may take, unless its test says more."""
QUIT_S = 180.0
"""Longest that a host may take to end once it was told to."""


class HostFailed(Exception):
    """A host crashed, or a script failed in it; the message ends with what the host printed."""


class HostDidNotStart(HostFailed):
    """A host never came so far as to take a script: nothing was tested yet."""


class HostTimeout(HostFailed):
    """A host took too long and was killed; the message says where its last screenshot is."""


class HostProcess:
    """A command in namespaces of its own: killing it takes everything that it started along."""

    def __init__(self, command: list[str], environ: dict[str, str], folder: Path) -> None:
        self.folder = folder
        self.name = folder.name
        self._screen = folder / "screen" / "Xvfb_screen0"
        self._log = folder / "output.log"
        self.started = time.monotonic()
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is pytest's to handle; it then kills us
            )

    @property
    def output(self) -> str:
        """What the command has printed so far, on both streams."""
        return self._log.read_text(errors="replace")

    @property
    def returncode(self) -> int | None:
        """The exit status, or None while it runs."""
        return self._process.poll()

    def wait(self, seconds: float = SCRIPT_S) -> int:
        """Wait for its end and return the exit status."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise self.timed_out(f"still running after {seconds:g} s") from None

    def kill(self) -> None:
        """Kill it and all that it started, at once, as a crash or a power cut would.

        Returns when all of them are gone, so that nobody writes into the home any more.
        """
        if self.returncode is not None:
            return
        first = self._first_inside()
        with contextlib.suppress(ProcessLookupError):
            os.kill(first or self._process.pid, signal.SIGKILL)
        self._process.wait()

    def screenshot(self, picture: Path) -> Path:
        """Save what its screen shows now; it works even while the host is hung."""
        picture.parent.mkdir(parents=True, exist_ok=True)
        save_png(self._screen, picture)
        return picture

    def share_of_screen(self, rgb: tuple[int, int, int]) -> float:
        """The part of its screen, 0 to 1, that has exactly this colour now."""
        width, height, pixels = read_screen(self._screen)
        at = zip(pixels[0::3], pixels[1::3], pixels[2::3], strict=True)
        return sum(pixel == rgb for pixel in at) / (width * height)

    def until(self, what: Callable[[], Any], seconds: float, named: str) -> Any:
        """Wait until ``what()`` is true, and return that; fail when the process ends before."""
        deadline = time.monotonic() + seconds
        while True:
            ended = self.returncode
            if result := what():
                return result
            if ended is not None:
                raise HostFailed(f"{self.name} ended ({ended}) before: {named}\n{self._tail()}")
            if time.monotonic() > deadline:
                raise self.timed_out(f"not within {seconds:g} s: {named}")
            time.sleep(0.02)

    def timed_out(self, problem: str) -> HostTimeout:
        """Kill the host and return the error to raise, with all that helps to see why."""
        text = f"{self.name}: {problem}"
        if self._screen.exists():
            text += f"\nlast screenshot: {self.screenshot(self.folder / 'timeout.png')}"
        self.kill()
        return HostTimeout(f"{text}\n{self._tail()}")

    def _first_inside(self) -> int | None:
        """Process 1 of the namespace, seen from here; it is reaped only when all the others have ended."""
        # Our own process is `unshare`, which has this one child, once it has come so far.
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        with contextlib.suppress(OSError):
            return next((int(pid) for pid in children.read_text().split()), None)
        return None

    def _tail(self) -> str:
        return "\n".join(self.output.splitlines()[-30:])


class HostTask:
    """One script at work in a host."""

    def __init__(self, process: HostProcess, folder: Path) -> None:
        self._process = process
        self.folder = folder

    @property
    def values(self) -> dict[str, Any]:
        """What the script has reported so far."""
        values: dict[str, Any] = self._report().get("values", {})
        return values

    @property
    def longest_pause(self) -> float:
        """The longest time, in seconds, between two turns of the host's event loop."""
        return float(self._report()["longest_pause"])

    def tell(self, **values: Any) -> None:
        """Tell the script something: there, ``host.told(name)`` returns it from now on."""
        path = self.folder / "told.json"
        told = json.loads(path.read_text()) if path.exists() else {}
        _replace(path, json.dumps({**told, **values}))

    def until_reported(self, name: str, seconds: float = SCRIPT_S) -> Any:
        """Wait for the script to report ``name``, and return its value."""
        self._process.until(
            lambda: name in self.values or self._report().get("done"), seconds, f"report of {name}"
        )
        if name not in self.values:
            self.finish()
            raise HostFailed(f"{self._process.name}: the script ended without reporting {name}")
        return self.values[name]

    def finish(self, seconds: float = SCRIPT_S) -> dict[str, Any]:
        """Wait for the script's end; return what it reported, or raise with its traceback."""
        self._process.until(lambda: self._report().get("done"), seconds, "end of the script")
        if problem := self._report()["traceback"]:
            raise HostFailed(f"{self._process.name}: the script failed in the host\n{problem}")
        return self.values

    def _report(self) -> dict[str, Any]:
        path = self.folder / "report.json"
        report: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return report


class RunningHost(HostProcess):
    """A host that is open and takes scripts, one after the other. Use it in a ``with``."""

    def __init__(self, command: list[str], environ: dict[str, str], folder: Path) -> None:
        super().__init__(command, environ, folder)
        self._count = 0
        self.start_seconds = 0.0

    def wait_ready(self, seconds: float = START_S) -> None:
        """Wait until the host can take a script; ``start_seconds`` then says how long it took."""
        try:
            self.until((self.folder / "ready").exists, seconds, "start")
        except HostFailed as failure:
            raise HostDidNotStart(str(failure)) from failure
        self.start_seconds = time.monotonic() - self.started

    def begin(self, script: Script, **arguments: Any) -> HostTask:
        """Hand it a script and return at once; the script sees ``host.arguments``."""
        self._count += 1
        folder = self.folder / str(self._count)
        folder.mkdir()
        if isinstance(script, Path):
            shutil.copyfile(script, folder / "script.py")
        else:
            (folder / "script.py").write_text(script)
        _replace(folder / "task.json", json.dumps(arguments))
        return HostTask(self, folder)

    def run(self, script: Script, *, timeout: float = SCRIPT_S, **arguments: Any) -> dict[str, Any]:
        """Run a script to its end and return what it reported."""
        return self.begin(script, **arguments).finish(timeout)

    def quit(self, seconds: float = QUIT_S) -> int:
        """Ask the host to quit as its user would, and return its exit status."""
        (self.folder / "quit").touch()
        return self.wait(seconds)

    def __enter__(self) -> RunningHost:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self.returncode is None:
            self.quit()
        else:
            self.kill()


def _replace(path: Path, text: str) -> None:
    """Write a file in one step, so that nobody reads half of it."""
    passing = path.with_name(path.name + ".new")
    passing.write_text(text)
    passing.rename(path)
