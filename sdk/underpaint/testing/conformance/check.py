"""A check: a name, what it means, what it needs, and what to do when it fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from underpaint.host import Capability

if TYPE_CHECKING:
    from underpaint.testing.conformance.stage import Stage


class Failed(Exception):
    """A check did not hold; the message says what was seen, as an author can understand it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One promise of the contract."""

    name: str
    """Kebab-case; stable, since reports and expectations name it."""
    meaning: str
    """The promise, in one sentence."""
    advice: str
    """What to do when it fails."""
    run: Callable[[Stage], None]
    needs: tuple[Capability, ...] = ()
    """Skipped by name where one of these is not declared."""
    rests_on: tuple[str, ...] = ()
    """Not run where one of these failed: its own failure would only repeat theirs."""


CHECKS: dict[str, Check] = {}
"""All checks by name, in the order in which they run."""


def check(
    name: str,
    meaning: str,
    *,
    advice: str,
    needs: Sequence[Capability] = (),
    rests_on: Sequence[str] = (),
) -> Callable[[Callable[[Stage], None]], Callable[[Stage], None]]:
    """Adds a function to `CHECKS`."""

    def add(run: Callable[[Stage], None]) -> Callable[[Stage], None]:
        if name in CHECKS:
            raise ValueError(f"there are two checks {name!r}")
        if unknown := set(rests_on) - set(CHECKS):
            raise ValueError(f"{name!r} rests on {unknown}, which must stand before it")
        CHECKS[name] = Check(name, meaning, advice, run, tuple(needs), tuple(rests_on))
        return run

    return add


def expect(condition: object, message: str) -> None:
    """Raises `Failed` with `message` unless `condition` holds."""
    if not condition:
        raise Failed(message)
