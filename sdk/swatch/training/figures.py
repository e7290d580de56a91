"""Figures with the bound that each has to keep, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value; without a bound it is told for comparison."""

    name: str
    value: float
    least: float | None = None
    most: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the bound is kept; None where there is none."""
        if self.least is not None:
            return self.value >= self.least
        return None if self.most is None else self.value <= self.most

    @property
    def bound(self) -> str:
        """The bound in words."""
        if self.least is not None:
            return f"at least {self.least:g}"
        return "" if self.most is None else f"at most {self.most:g}"


def table(figures: Sequence[Figure]) -> str:
    """A Markdown table, and one line that counts."""
    verdicts = {True: "yes", False: "**no**", None: ""}
    rows = [
        f"| {f.name} | {f.value:.3g}{f' ({f.note})' if f.note else ''} | {f.bound} | {verdicts[f.met]} |"
        for f in figures
    ]
    judged = [f.met for f in figures if f.met is not None]
    head = ["| What | Measured | Bound | Met |", "|---|---|---|---|"]
    return "\n".join([*head, *rows, "", f"{sum(judged)} of {len(judged)} bounds are met."])
