"""The plug-in by which underpaint finds these models; nobody else imports it, so it needs no dependency."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from underpaint.hookspecs import hookimpl
from underpaint_swatch import model_root


@hookimpl
def underpaint_model_roots() -> Sequence[Path]:
    """The folder with the models and their control nets."""
    return [model_root()]
