"""The checks, a module a subject. Importing this package fills `CHECKS`, in this order."""

from underpaint.testing.conformance.check import CHECKS

from underpaint.testing.conformance.checks import (  # isort: skip - the order in which they run
    documents,
    reading,
    layers,
    selections,
    sizes,
    results,
    undo,
    threads,
    jobs,
    together,
    cancelling,
    late,
    interruptions,
    leaks,
)

__all__ = [
    "CHECKS",
    "cancelling",
    "documents",
    "interruptions",
    "jobs",
    "late",
    "layers",
    "leaks",
    "reading",
    "results",
    "selections",
    "sizes",
    "threads",
    "together",
    "undo",
]
