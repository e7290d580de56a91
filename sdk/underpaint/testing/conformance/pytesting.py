"""The suite in pytest: one test a check, from three lines in an author's test file.

from my_rig import MyRig
from underpaint.testing.conformance import conformance_tests

TestConformance = conformance_tests(MyRig)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from underpaint.testing.conformance.check import Check
from underpaint.testing.conformance.report import Status
from underpaint.testing.conformance.runner import RigFactory, Suite, chosen


def conformance_tests(rig: RigFactory, *, folder: Path | None = None, only: Iterable[str] = ()) -> type:
    """A test class: give it a name that pytest collects. Needs pytest; nothing else here does.

    folder: of a fake daemon that runs already; None: one is started for the class.
    only: names of checks; none: all.
    """
    import pytest

    class ConformanceTests:
        """One test a check; they share a fake daemon and run in the suite's order."""

        @pytest.fixture(scope="class", name="conformance_suite")
        @staticmethod
        def conformance_suite() -> Iterator[Suite]:
            """The suite over one rig."""
            with Suite(rig, folder) as suite:
                yield suite

        @pytest.mark.parametrize("check", [pytest.param(check, id=check.name) for check in chosen(only)])
        def test_conformance(self, conformance_suite: Suite, check: Check) -> None:
            """Fails with what was seen and what to do; skips with the reason."""
            outcome = conformance_suite.run(check)
            if outcome.status is Status.SKIPPED:
                pytest.skip(outcome.message)
            if outcome.status is Status.FAILED:
                pytest.fail(outcome.text, pytrace=False)

    return ConformanceTests
