# SPDX-License-Identifier: GPL-3.0-or-later
"""Verbs that plug-ins have added. GIMP asks for procedures once and keeps the list, so they share one."""

from __future__ import annotations

import functools

from underpaint.errors import InvalidRequest, Violation
from underpaint.hookspecs import Verb
from underpaint.host import Extensions, HostAdapter, load_extensions


@functools.lru_cache(maxsize=1)
def extensions() -> Extensions:
    """Loaded at the first call in this process."""
    return load_extensions()


def find(name: str, adapter: HostAdapter) -> Verb:
    """The verb of that name. Raises `InvalidRequest`."""
    verbs = {verb.name: verb for verb in extensions().verbs_for(adapter)}
    if name not in verbs:
        known = ", ".join(sorted(verbs)) or "none"
        problem = Violation("verb", f"there are: {known}")
        raise InvalidRequest(
            f"There is no verb “{name}”; {problem.description}. {left_out()}".strip(), violations=[problem]
        )
    return verbs[name]


def left_out() -> str:
    """Plug-ins that could not be loaded, and why; empty if all could."""
    broken = [info for info in extensions().infos() if info.problem]
    return " ".join(f"{info.name} is left out: {info.problem.splitlines()[-1]}." for info in broken)
