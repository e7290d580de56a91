"""The process that reads the pickle. Its last line is JSON: what came out, or why nothing did."""

from __future__ import annotations

import io
import json
import os
import pickle
import sys

import torch

from underpaint.engine.pickles.lockdown import lock_down
from underpaint.engine.pickles.reading import read_tensors
from underpaint.engine.pickles.writing import write_tensors

_ROOM = 8 << 30
"""Bytes of address space for the program itself."""


def main(source: int, target: int) -> int:
    """Converts; returns the exit status."""
    size = os.fstat(source).st_size
    _warm_up()
    try:
        with os.fdopen(source, "rb") as pickled, os.fdopen(target, "wb") as written:
            lock_down((source, target), _ROOM + 4 * size, 2 * size + (1 << 20))
            tensors = read_tensors(pickled)
            digest = write_tensors(tensors, written)
    except (ValueError, RuntimeError, OSError, EOFError, pickle.UnpicklingError, MemoryError) as error:
        _say({"error": str(error)[:300] or type(error).__name__})
        return 1
    _say({"sha256": digest, "tensors": len(tensors)})
    return 0


def _warm_up() -> None:
    """Reads and writes once, so that everything is imported before importing is over."""
    torch.set_num_threads(1)
    for zipped in (True, False):
        buffer = io.BytesIO()
        torch.save(
            {"state_dict": {"a": torch.zeros(1, dtype=torch.bfloat16)}},
            buffer,
            _use_new_zipfile_serialization=zipped,
        )
        buffer.seek(0)
        write_tensors(read_tensors(buffer), io.BytesIO())


def _say(report: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(report) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
