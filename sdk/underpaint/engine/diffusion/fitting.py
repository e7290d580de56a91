"""Whether a file's tensors are those of a network: none too few, none too many, each of its shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NAMED = 3


def check_fit(network: Any, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises `ValueError` naming what a file lacks, has too many, or has of another shape."""
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    lacking, surplus = sorted(wanted.keys() - shapes.keys()), sorted(shapes.keys() - wanted.keys())
    wrong = sorted(name for name in wanted.keys() & shapes.keys() if wanted[name] != shapes[name])
    for names, what in (
        (lacking, "lacks"),
        (surplus, "has, beyond what this network knows,"),
        (wrong, "misfits"),
    ):
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            raise ValueError(f"it {what} {', '.join(names[:_NAMED])}{more}")
