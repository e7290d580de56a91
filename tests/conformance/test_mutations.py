"""The suite itself: a right adapter passes, and each seeded mistake is caught by the check that names it."""

from __future__ import annotations

import re
import time
from types import ModuleType

import pytest

from tests.conformance.mutants import MISTAKES, Mistake, MutantRig
from underpaint.testing.conformance import CHECKS, Status, Suite
from underpaint.testing.conformance.checks import cancelling, leaks, threads
from underpaint.testing.conformance.daemon import FakeLink

WITHOUT_JOBS = [
    check.name
    for check in CHECKS.values()
    if check.run.__module__.rpartition(".")[2]
    not in ("jobs", "together", "cancelling", "late", "interruptions", "leaks")
]
USUAL_JOBS = ["fill-placed", "two-documents", "cancel-running"]
IMPATIENT: dict[str, tuple[ModuleType, str, float]] = {
    "RunOnMainWaits": (threads, "_PATIENCE_S", 5.0),
    "CancelIgnored": (cancelling, "_END_S", 8.0),
    "KeepsEveryResult": (leaks, "_SETTLE_S", 3.0),
    "AThreadForEachResult": (leaks, "_SETTLE_S", 3.0),
    "AFileForEachResult": (leaks, "_SETTLE_S", 3.0),
}
"""Seconds for mistakes that show by never ending; whatever ends may take longer."""


def with_foundations(names: frozenset[str]) -> set[str]:
    """These checks and all that they rest on."""
    found = set(names)
    for name in reversed(CHECKS):
        if name in found:
            found |= set(CHECKS[name].rests_on)
    return found


def test_the_right_adapter_passes_everything(fake: FakeLink) -> None:
    begun = time.process_time()
    with Suite(MutantRig, fake.folder) as suite:
        report = suite.run_all()
    spent = time.process_time() - begun
    assert [outcome.text for outcome in report.of(Status.FAILED)] == []
    assert [outcome.text for outcome in report.of(Status.SKIPPED)] == []
    assert report.passed
    assert spent < 20, "an author runs it after every change"
    assert "is conformant" in report.badge


@pytest.mark.parametrize("mistake", [pytest.param(made, id=made.name) for made in MISTAKES])
def test_a_mistake_is_caught_and_named(
    mistake: Mistake, fake: FakeLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    if mistake.name in IMPATIENT:
        monkeypatch.setattr(*IMPATIENT[mistake.name])
    names = {*WITHOUT_JOBS, *with_foundations(mistake.caught_by)}
    if not mistake.caught_by <= set(WITHOUT_JOBS):
        names |= with_foundations(frozenset(USUAL_JOBS))
    with Suite(mistake.rig, fake.folder) as suite:
        report = suite.run_all(names)
    failed = {outcome.name: outcome for outcome in report.of(Status.FAILED)}
    assert set(failed) == set(mistake.caught_by), "\n".join(outcome.text for outcome in failed.values())
    for outcome in failed.values():
        assert re.search(mistake.words, outcome.message), outcome.text
        assert outcome.advice
    for outcome in report.of(Status.SKIPPED):
        assert re.search(r"^(\S+) failed: mend that first", outcome.message), outcome.text
    assert not report.passed


def test_there_are_mistakes_of_every_kind_that_the_contract_names() -> None:
    assert len(MISTAKES) >= 18
    assert set(IMPATIENT) <= {mistake.name for mistake in MISTAKES}
    caught = set().union(*(mistake.caught_by for mistake in MISTAKES))
    assert caught <= set(CHECKS)
