"""Runs the conformance suite inside a host, on its main thread, as a test's script.

Standard library only, and the suite: it comes with the plug-in's own zip, relocated into the
plug-in's package as the client is, so that both have the very same classes.
"""

from __future__ import annotations

import faulthandler
import importlib
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.hosts.drivers.hostscript import Host, Steps


HANGS_S = 150.0
"""No check takes as long, on a busy machine either."""


class Alias(MetaPathFinder, Loader):
    """`underpaint` is another name of the copy inside a plug-in's package, module by module.

    A rig is then written as any author writes one, and meets the adapter's own classes.
    """

    def __init__(self, package: str) -> None:
        self._real = f"{package}._vendor."

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Ours are `underpaint` and all below."""
        if fullname == "underpaint" or fullname.startswith("underpaint."):
            return spec_from_loader(fullname, self, is_package=True)
        return None

    def create_module(self, spec: ModuleSpec) -> None:
        """Nothing to make: the module is there, under its real name."""

    def exec_module(self, module: ModuleType) -> None:
        """The import system hands out what lies in `sys.modules` by now."""
        sys.modules[module.__name__] = importlib.import_module(self._real + module.__name__)


def main(host: Host) -> Steps:
    """Runs the checks that the test names, each in a turn of its own, and reports as each ends."""
    sys.path[:0] = host.arguments["paths"]
    sys.meta_path.insert(0, Alias(host.arguments["package"]))
    from underpaint.testing.conformance.runner import Suite, chosen

    module, _, name = host.arguments["rig"].partition(":")
    rig = getattr(importlib.import_module(module), name)
    launch = getattr(rig, "launch", _at_once)
    faulthandler.enable(sys.__stderr__)
    begun = time.perf_counter()
    with Suite(rig, Path(host.arguments["folder"])) as suite:
        for check in chosen(host.arguments["only"]):
            host.report(running=check.name)
            # Where it hangs, for whoever reads the host's output.
            faulthandler.dump_traceback_later(HANGS_S, file=sys.__stderr__)
            outcomes: list[Any] = []
            launch(partial(_run, suite, check, outcomes))
            yield from host.until(lambda found=outcomes: found or host.unhandled, 2 * HANGS_S, check.name)
            faulthandler.cancel_dump_traceback_later()
            if host.unhandled:
                return  # which fails the script
            report = suite.report(time.perf_counter() - begun)
            host.report(report=report.as_json(), badge=report.badge, running="")
            yield


def _run(suite: Any, check: Any, outcomes: list[Any]) -> None:
    outcomes.append(suite.run(check))


def _at_once(run: Callable[[], None]) -> None:
    run()
