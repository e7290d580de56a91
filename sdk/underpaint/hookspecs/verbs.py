"""What a plug-in adds to every host: verbs, and sources of control images.

Inside a plug-in zip underpaint lives under another name, so these are recognised by their attributes, not
by their class: a plug-in may bring objects of its own with the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from underpaint.types import Bounds, Image, Parameter

if TYPE_CHECKING:
    from underpaint.host.adapter import HostAdapter
    from underpaint.host.session import Session
    from underpaint.host.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """Something that a person can ask for, shown by every host in its menu.

    `start(session, values)` is called on the host's main thread and returns at once: it calls the
    session's own verbs and hands on their `Task`. `values` holds every parameter by name: numbers as
    float, texts as str. What else is chosen in the panel (model, seed) is in `session.settings`. It raises
    `UnderpaintError` with a message for the user.
    """

    name: str
    """Kebab-case."""
    title: str
    """For a menu: a few words, the first one capitalised."""
    description: str = ""
    """For a tooltip: what it does, in a sentence."""
    start: Callable[[Session, Mapping[str, float | str]], Task]
    numbers: tuple[Parameter, ...] = ()
    texts: tuple[str, ...] = ()
    """Names of texts that a person may type, "prompt" first; each is "" if nothing was typed."""
    needs: frozenset[str] = frozenset()
    """Values of `Capability` without which a host leaves it out, and "document".

    While no document is open, or nothing is selected for "selection", hosts show it greyed out and say why.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlSource:
    """Something of a document that can serve as a control image.

    `read(adapter, document_id, bounds, choice)` is called on the host's main thread, which it holds:
    copy, do not convert. It returns an image of exactly `bounds` (canvas pixels), in any format, and
    raises `HostError` (`PlaceGone` if what it reads is gone).
    """

    name: str
    """Kebab-case."""
    title: str
    read: Callable[[HostAdapter, str, Bounds, str], Image]
    choices: Callable[[HostAdapter, str], Mapping[str, str]] | None = None
    """`choices(adapter, document_id)` gives titles by `choice`, layers for example; None: `choice` is ""."""
    needs: frozenset[str] = frozenset()
    """Values of `Capability` without which a host leaves it out."""
