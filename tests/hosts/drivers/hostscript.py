"""Runs a test's scripts inside a host, one after the other, and reports what they say.

Standard library only: the host's Python imports it, from the checkout, whose ``tests`` folder is
all that can be seen of it inside. A script defines ``main(host)``, a plain
function or a generator; each ``yield`` hands control back to the host's event loop for a moment, so
a generator can wait for something without freezing the host.

Tests and scripts talk through files in a task's folder, each replaced in one step:
``script.py`` and ``task.json`` come in, ``told.json`` may follow, ``report.json`` goes out.
"""

from __future__ import annotations

import io
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.hosts.drivers.screen import save_png

Steps = Generator[None, None, None]
PATIENCE_S = 180.0
TURNS_A_SECOND = 50
"""Fewer than a host makes of its event loop when nothing holds it up: the driver asks for 100."""


class Host:
    """What a script's ``main`` is given: its arguments, and ways to report and to wait."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.arguments: dict[str, Any] = json.loads((folder / "task.json").read_text())
        self.unhandled: list[str] = []  # raised in a slot, a timer or a thread; clear what you expect
        self.longest_pause = 0.0  # longest time between two turns of the driver, in seconds
        self._values: dict[str, Any] = {}

    def report(self, **values: Any) -> None:
        """Tell the test these values (anything JSON has), now."""
        self._values.update(values)
        self.write(done=False)

    def told(self, name: str) -> Any:
        """Return what the test has told this script since it began, or None."""
        path = self.folder / "told.json"
        return json.loads(path.read_text()).get(name) if path.exists() else None

    def until(self, what: Callable[[], Any], seconds: float = PATIENCE_S, named: str = "") -> Steps:
        """``yield from`` this: wait for ``what()`` to be true while the host goes on.

        Limits are for what never comes: a machine that is busy may be many times slower than this one.
        """
        deadline = time.monotonic() + seconds
        while not what():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {seconds} s: {named or what}")
            yield

    def wait(self, seconds: float) -> Steps:
        """``yield from`` this: let the host go on for a while.

        A host that stalls gets its turns all the same: as many as fit into so long where nothing stalls.
        """
        end, turns = time.monotonic() + seconds, round(seconds * TURNS_A_SECOND)
        while turns > 0 or time.monotonic() < end:
            turns -= 1
            yield

    def screenshot(self, name: str) -> str:
        """Save the screen as ``name`` in the task's folder; yield first, or nothing is drawn."""
        path = self.folder / name
        save_png(Path(os.environ["UNDERPAINT_TEST_SCREEN"]), path)
        return str(path)

    def write(self, *, done: bool, problem: str = "") -> None:
        """Replace the report that the test reads."""
        report = {
            "values": self._values,
            "done": done,
            "traceback": problem,
            "longest_pause": self.longest_pause,
        }
        passing = self.folder / "report.json.new"
        passing.write_text(json.dumps(report))
        passing.rename(self.folder / "report.json")


class Driver:
    """Takes tasks from a folder as they appear; the host calls ``step`` again and again."""

    def __init__(self) -> None:
        self.folder = Path(os.environ["UNDERPAINT_TEST_TASKS"])
        self._host: Host | None = None
        self._steps: Steps | None = None
        self._count = 0
        self._last = 0.0
        if isinstance(sys.stdout, io.TextIOWrapper):  # a file here: what is in its buffer dies with a kill
            sys.stdout.reconfigure(line_buffering=True)
        # A host shows these to its user or only prints them; a test must hear of them.
        sys.excepthook = self._noticed
        threading.excepthook = lambda told: self._noticed(told.exc_type, told.exc_value, told.exc_traceback)
        (self.folder / "ready").touch()

    def step(self) -> bool:
        """Do the next bit of work; False when the test wants the host to quit."""
        if self._host is None:
            if not self._begin():
                return not (self.folder / "quit").exists()
        elif self._last:
            self._host.longest_pause = max(self._host.longest_pause, time.monotonic() - self._last)
        self._advance()
        self._last = time.monotonic()
        return True

    def loop(self, turn: Callable[[], Any], pause: float = 0.01) -> None:
        """Drive a host that has no event loop of its own: step, let ``turn`` do its bit, again."""
        while self.step():
            turn()
            time.sleep(pause)

    def _begin(self) -> bool:
        folder = self.folder / str(self._count + 1)
        if not (folder / "task.json").exists():  # written last
            return False
        self._count += 1
        self._host = Host(folder)
        self._last = 0.0
        self._host.report()
        return True

    def _advance(self) -> None:
        assert self._host is not None
        try:
            if self._steps is None:
                self._steps = self._load(self._host)
            if self._steps is not None:
                next(self._steps)
                return
        except StopIteration:
            self._finish("")
        except BaseException:  # noqa: BLE001 - SystemExit and Qt's odd ones must be told too
            self._finish(traceback.format_exc())
        else:
            self._finish("")

    def _load(self, host: Host) -> Steps | None:
        source = host.folder / "script.py"
        names: dict[str, Any] = {"__name__": "host_test_script", "__file__": str(source)}
        exec(compile(source.read_text(), str(source), "exec"), names)
        result = names["main"](host)
        return result if isinstance(result, Generator) else None

    def _noticed(self, kind: type[BaseException], value: Any, trace: TracebackType | None) -> None:
        text = "".join(traceback.format_exception(kind, value, trace))
        print(text, file=sys.stderr)
        if self._host is not None:
            self._host.unhandled.append(text)

    def _finish(self, problem: str) -> None:
        assert self._host is not None
        if self._host.unhandled and not problem:
            problem = "raised beside the script, in a slot, a timer or a thread:\n"
            problem += "\n".join(self._host.unhandled)
        self._host.write(done=True, problem=problem)
        self._host = self._steps = None
