"""Reading prompts one forward pass a step, so that a cancelled job sees at most one more.

A job's prompts are read from the start at every step. What earlier steps computed is there already; the first
forward pass that is new is run, and the second one ends the step.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

Output = TypeVar("Output")


class MoreToRead(Exception):
    """The step has had its forward pass, and there is more to read: in the next step."""


class Pace:
    """Shared by the text encoders of one family. For the device's one thread."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Any] | None = None
        self._ran = False
        self.variant: Hashable = ()
        """What the encoders are changed by at this moment: what they compute is kept for it alone."""

    @contextmanager
    def step(self, known: dict[Hashable, Any]) -> Iterator[None]:
        """One step of a job for which `known` was computed by earlier ones, and goes on being filled."""
        self._known, self._ran = known, False
        try:
            yield
        finally:
            self._known = None

    def run(self, key: Hashable, forward: Callable[[], Output]) -> Output:
        """A forward pass, or what it gave in an earlier step; outside steps simply the pass.

        Raises `MoreToRead`.
        """
        if self._known is None:
            return forward()
        key = (self.variant, key)
        if key not in self._known:
            if self._ran:
                raise MoreToRead
            self._known[key] = forward()
            self._ran = True
        output: Output = self._known[key]
        return output
