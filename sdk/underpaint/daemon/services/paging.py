"""Pages of lists that are in memory: the token is the last name that was sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from underpaint.daemon.manager import page_size

Item = TypeVar("Item")


def page(items: Sequence[Item], name: Callable[[Item], str], size: int, token: str) -> tuple[list[Item], str]:
    """Items after `token` in order of name, and the next token, "" at the end. Survives changes between."""
    limit = page_size(size)
    rest = [item for item in sorted(items, key=name) if name(item) > token]
    shown = rest[:limit]
    return shown, name(shown[-1]) if len(rest) > limit else ""
