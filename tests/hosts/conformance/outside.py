"""The test's side of the conformance suite in a host: one launch, one result a check."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.processes import HostFailed, RunningHost
from underpaint.cli.packaging import build
from underpaint.testing.conformance.checks import CHECKS
from underpaint.testing.conformance.daemon import FakeLink

SUITE = "from tests.hosts.conformance.inside import main\n"
EVERY_CHECK = pytest.mark.parametrize("check", list(CHECKS))
"""For the one test of a host's module; its `check` is a name."""


@dataclass(frozen=True)
class Seen:
    """What came back from a host."""

    report: dict[str, Any]
    """As `Report.as_json` gives it, of the checks that ended."""
    badge: str
    running: str
    """The check that never ended; "" if all did."""
    broke: str
    """Why the run ended early; "" if it did not."""

    @property
    def summary(self) -> str:
        """The badge line, and what took longest."""
        checks = sorted(self.report.get("checks", ()), key=lambda one: -float(one["seconds"]))
        slow = ", ".join(f"{one['name']} {one['seconds']:.1f} s" for one in checks[:5])
        return f"{self.badge}\nin {self.report.get('seconds', 0):.0f} s; slowest: {slow}"

    def judge(self, check: str, may_skip: Collection[str] = ()) -> None:
        """Passes, skips or fails the test of this check; a skip that is not in `may_skip` is a failure."""
        found = {one["name"]: one for one in self.report.get("checks", ())}.get(check)
        if found is None:
            if self.running in ("", check):
                pytest.fail(f"{check} did not end:\n{self.broke}", pytrace=False)
            pytest.fail(f"{check} was not reached: the host fell over in {self.running}", pytrace=False)
        if found["status"] == "skipped" and check in may_skip:
            pytest.skip(found["message"])
        if found["status"] != "passed":
            lines = (found["meaning"], f"seen: {found['message']}", f"do: {found['advice']}")
            pytest.fail(f"{check} {found['status']}\n" + "\n".join(lines), pytrace=False)


def build_with_suite(host: str, folder: Path) -> Path:
    """The plug-in's zip that carries the suite."""
    return build(host, folder, conformance=True)


@contextmanager
def fake_daemon() -> Iterator[Path]:
    """A scripted daemon outside of the sandbox; bind its folder before the host starts."""
    with closing(FakeLink.start()) as link:
        yield link.folder


def run_suite(
    host: RunningHost,
    daemon: Path,
    *,
    package: str,
    rig: str,
    only: Sequence[str],
    paths: Sequence[str] = (),
    timeout: float = 1800,
) -> Seen:
    """Runs checks in an open host and brings back what they found, also when the host falls over.

    `package` is the plug-in's package as that host imports it, `rig` is MODULE:CLASS, `paths` goes before the
    host's `sys.path`.
    """
    task = host.begin(SUITE, package=package, rig=rig, folder=str(daemon), only=only, paths=list(paths))
    broke = ""
    try:
        task.finish(timeout)
    except HostFailed as failure:
        broke = str(failure)
    values = task.values
    return Seen(values.get("report", {}), values.get("badge", ""), values.get("running", ""), broke)


def selected(request: pytest.FixtureRequest) -> list[str]:
    """The checks that pytest is about to run in this module: with `-k groups`, the host runs no others."""
    found = [
        item.callspec.params["check"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path and hasattr(item, "callspec")
    ]
    return list(dict.fromkeys(found))
