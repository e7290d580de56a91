"""Every generated page, by its path below `docs/`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from docs.generate import (
    cli,
    errors,
    families,
    hooks,
    memory,
    pipelines,
    protocol,
    python,
    schedulers,
    settings,
)

PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "reference/generated/cli.md": cli.page,
    "reference/generated/settings.md": settings.page,
    "reference/generated/errors.md": errors.page,
    "reference/generated/hooks.md": hooks.page,
    "reference/generated/families.md": families.page,
    "reference/generated/pipelines.md": pipelines.page,
    "reference/generated/schedulers.md": schedulers.page,
    "reference/memory.md": memory.page,
    **{f"reference/generated/python/{name}.md": make for name, make in python.pages().items()},
    **{f"protocol/messages/{name}.md": make for name, make in protocol.pages().items()},
}
