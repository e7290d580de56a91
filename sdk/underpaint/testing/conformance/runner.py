"""Runs checks against a rig, in a test runner, a shell, or a host program."""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Final

from underpaint.testing.conformance.check import Check, Failed
from underpaint.testing.conformance.checks import CHECKS
from underpaint.testing.conformance.daemon import FakeLink
from underpaint.testing.conformance.report import Outcome, Report, Status
from underpaint.testing.conformance.rig import Rig, Unsupported
from underpaint.testing.conformance.stage import Stage

RigFactory = Callable[[], Rig]

_RUNTIME: Final = "UNDERPAINT_RUNTIME_DIR"


class Suite:
    """The checks of one adapter. Use it as a context manager, on the host's main thread.

    `rig` makes a fresh rig; it is called for every check. `folder` is that of a fake daemon which runs
    already (see `FakeLink.attach`); None: one is started when the first check needs it.
    """

    def __init__(self, rig: RigFactory, folder: Path | None = None) -> None:
        self._rig = rig
        self._folder = folder
        self._link: FakeLink | None = None
        self._before: str | None = None
        self._outcomes: dict[str, Outcome] = {}
        self._causes: dict[str, str] = {}
        """Which failure keeps a check from running, or made it fail."""
        self._about: tuple[str, str, tuple[str, ...]] = ("", "", ())

    def __enter__(self) -> Suite:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the fake daemon. Idempotent."""
        link, self._link = self._link, None
        if link is not None:
            link.close()
            if self._before is None:
                os.environ.pop(_RUNTIME, None)
            else:
                os.environ[_RUNTIME] = self._before

    def run(self, check: Check) -> Outcome:
        """Runs one check, on the thread of whoever calls: the host's main one."""
        begun = time.perf_counter()
        status, message = self._judged(check)
        advice = check.advice if status is Status.FAILED else ""
        needs = tuple(need.value for need in check.needs)
        taken = time.perf_counter() - begun
        outcome = Outcome(check.name, status, check.meaning, message, advice, taken, needs)
        self._outcomes[check.name] = outcome
        return outcome

    def run_all(
        self, only: Iterable[str] = (), on_outcome: Callable[[Outcome], None] = lambda outcome: None
    ) -> Report:
        """Runs the checks named `only` (none: all); `on_outcome` hears of each as it ends."""
        begun = time.perf_counter()
        for check in chosen(only):
            on_outcome(self.run(check))
        return self.report(time.perf_counter() - begun)

    def report(self, seconds: float = 0.0) -> Report:
        """What is known so far."""
        name, version, capabilities = self._about
        return Report(name, version, capabilities, tuple(self._outcomes.values()), seconds, len(CHECKS))

    def _judged(self, check: Check) -> tuple[Status, str]:
        for base in check.rests_on:
            if cause := self._causes.get(base):
                self._causes[check.name] = cause
                return Status.SKIPPED, f"{cause} failed: mend that first, then run again"
        fallen: list[str] = []
        hook = threading.excepthook
        threading.excepthook = lambda args: fallen.append(_thread_fell(args))
        try:
            status, message = self._played(check)
        finally:
            threading.excepthook = hook
        if fallen and status is Status.PASSED:
            status, message = Status.FAILED, f"a thread fell over: {fallen[0]}"
        if status is Status.FAILED:
            self._causes[check.name] = check.name
        return status, message

    def _played(self, check: Check) -> tuple[Status, str]:
        try:
            rig = self._rig()
        except Unsupported as reason:
            return Status.SKIPPED, str(reason)
        adapter = rig.adapter
        declared = sorted(capability.value for capability in adapter.capabilities)
        self._about = (adapter.name, adapter.version, tuple(declared))
        if missing := [need.value for need in check.needs if need not in adapter.capabilities]:
            rig.finish()
            return Status.SKIPPED, f"not declared: {', '.join(missing)}"
        stage = Stage(rig, self._reach)
        try:
            ended = self._tried(check, stage)
        finally:
            problem = self._tidied(stage)
        return (Status.FAILED, problem) if problem and ended[0] is not Status.FAILED else ended

    def _tidied(self, stage: Stage) -> str:
        """Ends what the check began; what went wrong with that."""
        try:
            stage.finish()
        except Exception as error:  # noqa: BLE001 - the other checks must still run
            return f"Rig.finish: {_where(error)} raised {type(error).__name__}: {error}"
        finally:
            if self._link is not None:
                self._link.forget()
        return ""

    def _tried(self, check: Check, stage: Stage) -> tuple[Status, str]:
        try:
            check.run(stage)
        except Unsupported as reason:
            return Status.SKIPPED, str(reason)
        except Failed as failure:
            return Status.FAILED, str(failure)
        except NotImplementedError as missing_method:
            return Status.FAILED, f"a method of a declared capability is missing: {missing_method}"
        except Exception as error:  # noqa: BLE001 - whatever an adapter raises is its report
            return Status.FAILED, f"{_where(error)} raised {type(error).__name__}: {error}"
        return Status.PASSED, ""

    def _reach(self) -> FakeLink:
        if self._link is None:
            self._link = FakeLink.attach(self._folder) if self._folder else FakeLink.start()
            self._before = os.environ.get(_RUNTIME)
            os.environ[_RUNTIME] = str(self._link.folder)
        return self._link


def chosen(only: Iterable[str] = ()) -> list[Check]:
    """Checks by name, in their order; none named: all. Raises `KeyError` for a name that is unknown."""
    names = set(only)
    if unknown := names - set(CHECKS):
        raise KeyError(f"there is no check {', '.join(sorted(unknown))}")
    return [check for name, check in CHECKS.items() if not names or name in names]


def run(rig: RigFactory, *, folder: Path | None = None, only: Iterable[str] = ()) -> Report:
    """The whole suite at once; inside a host program, call it on the main thread."""
    with Suite(rig, folder) as suite:
        return suite.run_all(only)


def _where(error: BaseException) -> str:
    """The innermost place outside of the suite: the adapter's or the rig's, most often."""
    own = str(Path(__file__).parent)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if own not in frame.filename]
    if not frames:
        return "the suite"
    frame = frames[-1]
    return f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}"


def _thread_fell(args: threading.ExceptHookArgs) -> str:
    error = args.exc_value or args.exc_type()
    name = args.thread.name if args.thread is not None else "a thread"
    return f"{name}: {_where(error)} raised {type(error).__name__}: {error}"
