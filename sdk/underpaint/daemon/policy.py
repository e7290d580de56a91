"""The administrator's policy file: which safety filters are on for every user of this machine.

    {"safety_filters": ["word-list"], "word-list": {"words": ["…"], "message": "…"}}

Every other key holds the options of the filter of that name. The daemon runs with the user's rights: the
file binds users who do not work around it, and is no wall against those who do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from underpaint.errors import InvalidRequest, Violation

FILTERS = "safety_filters"


@dataclass(frozen=True, slots=True)
class Policy:
    """What the file says; empty if there is none."""

    filters: tuple[str, ...] = ()
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def read_policy(path: Path) -> Policy:
    """The policy in a file, an empty one where there is no file. Raises InvalidRequest for a broken one.

    A policy that cannot be read must not mean that there is none: then the daemon does not start.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return Policy()
    except (OSError, ValueError) as error:
        raise _broken(path, f"cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise _broken(path, "holds no JSON object")
    filters = content.pop(FILTERS, [])
    if not isinstance(filters, list) or not all(isinstance(name, str) for name in filters):
        raise _broken(path, f"must name filters as a list of texts in {FILTERS!r}")
    if wrong := [name for name, options in content.items() if not isinstance(options, dict)]:
        raise _broken(path, f"must hold an object with options in {', '.join(map(repr, wrong))}")
    return Policy(tuple(filters), content)


def _broken(path: Path, what: str) -> InvalidRequest:
    violation = Violation("policy_file", what)
    return InvalidRequest(
        f"The policy file {path} {what}. Have it repaired: underpaint does not run without its policy.",
        violations=[violation],
    )
