"""Examples in docstrings shown as code: the reader of docstrings knows the heading "Examples:" only."""

from __future__ import annotations

import re
from typing import Any

import griffe

_HEADING = re.compile(r"^Example:$", re.MULTILINE)


class Examples(griffe.Extension):  # type: ignore[misc,unused-ignore]
    """Without it, Markdown takes the prompts for quotations."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Renames the heading in memory."""
        if obj.docstring is not None:
            obj.docstring.value = _HEADING.sub("Examples:", obj.docstring.value)
