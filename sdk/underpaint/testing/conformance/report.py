"""What came out: for people, for programs, and one line to show."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

SUITE_VERSION: Final = "1"
"""Goes up whenever an adapter that passed might not pass any more."""


class Status(enum.Enum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One check's end."""

    name: str
    status: Status
    meaning: str = ""
    message: str = ""
    """What was seen, or why it was skipped."""
    advice: str = ""
    """What to do; only where it failed."""
    seconds: float = 0.0
    needs: tuple[str, ...] = ()
    """Capabilities that it is about."""

    @property
    def text(self) -> str:
        """For a person, one or a few lines."""
        mark = {Status.PASSED: "ok  ", Status.FAILED: "FAIL", Status.SKIPPED: "skip"}[self.status]
        lines = [f"{mark} {self.name}"]
        if self.status is Status.SKIPPED:
            lines[0] += f": {self.message}"
        if self.status is Status.FAILED:
            lines += [f"     promise: {self.meaning}", f"     seen: {self.message}"]
            lines += [f"     do: {self.advice}"]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Report:
    """All checks of one adapter."""

    host: str
    host_version: str
    capabilities: Sequence[str]
    outcomes: Sequence[Outcome]
    seconds: float = 0.0
    checks: int = 0
    """How many there are; a report of fewer says nothing about the rest."""

    def of(self, status: Status) -> list[Outcome]:
        """The outcomes that ended so."""
        return [outcome for outcome in self.outcomes if outcome.status is status]

    @property
    def passed(self) -> bool:
        """Whether something passed and nothing failed."""
        return bool(self.of(Status.PASSED)) and not self.of(Status.FAILED)

    @property
    def unproved(self) -> list[str]:
        """Capabilities that are declared though no check of them was run: the rig lacks what it takes."""
        ran = [outcome for outcome in self.outcomes if outcome.status is not Status.SKIPPED]
        tried = {need for outcome in ran for need in outcome.needs}
        return [capability for capability in self.capabilities if capability not in tried]

    @property
    def counts(self) -> str:
        """For example "44 passed, 1 failed, 6 skipped"."""
        return ", ".join(f"{len(self.of(status))} {status.value}" for status in Status)

    @property
    def badge(self) -> str:
        """One line with the suite's version, for a README."""
        verdict = "is conformant" if self.passed else "is not conformant"
        if self.passed and len(self.outcomes) < self.checks:
            verdict = f"was checked in part ({len(self.outcomes)} of {self.checks} checks)"
        capabilities = ", ".join(name for name in self.capabilities if name not in self.unproved) or "none"
        if self.unproved:
            capabilities += f"; declared but not checked: {', '.join(self.unproved)}"
        return (
            f"underpaint conformance suite {SUITE_VERSION}: {self.host} {self.host_version} {verdict} "
            f"({self.counts}; capabilities: {capabilities})"
        )

    def as_json(self) -> dict[str, Any]:
        """For programs. `badge` is what shields.io's endpoint badges read."""
        return {
            "suite_version": SUITE_VERSION,
            "host": self.host,
            "host_version": self.host_version,
            "capabilities": list(self.capabilities),
            "unproved": self.unproved,
            "passed": self.passed,
            "seconds": round(self.seconds, 3),
            "badge": {
                "schemaVersion": 1,
                "label": f"underpaint conformance {SUITE_VERSION}",
                "message": self.counts,
                "color": "brightgreen" if self.passed else "red",
            },
            "checks": [
                {
                    "name": outcome.name,
                    "status": outcome.status.value,
                    "meaning": outcome.meaning,
                    "message": outcome.message,
                    "advice": outcome.advice,
                    "seconds": round(outcome.seconds, 3),
                }
                for outcome in self.outcomes
            ],
        }

    @property
    def text(self) -> str:
        """For a person: every check, the failures with what to do, the badge line last."""
        return "\n".join([*(outcome.text for outcome in self.outcomes), "", self.badge])
