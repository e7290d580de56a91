"""The plug-in that every host has: variations of a picture, and the usual sources of control images.

Written against nothing but what any other plug-in gets: the hooks, the adapter's and the session's methods.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from underpaint.errors import PlaceGone
from underpaint.hookspecs import ControlSource, Verb, hookimpl
from underpaint.types import Bounds, Image, Parameter

if TYPE_CHECKING:
    from underpaint.host.adapter import HostAdapter
    from underpaint.host.session import Session
    from underpaint.host.task import Task


def variation(session: Session, values: Mapping[str, float | str]) -> Task:
    """Paints what is visible once more, a little different each time, as a new layer."""
    settings = replace(session.settings, strength=float(values["strength"]), seed=secrets.randbits(64))
    return session.generate(str(values["prompt"]), settings, from_picture=True)


def read_merged(adapter: HostAdapter, document_id: str, bounds: Bounds, choice: str) -> Image:
    """What is visible."""
    return adapter.read_merged(document_id, bounds)


def read_layer(adapter: HostAdapter, document_id: str, bounds: Bounds, choice: str) -> Image:
    """The layer of the id `choice`, hidden or not."""
    return adapter.read_layer(document_id, choice, bounds)


def layers(adapter: HostAdapter, document_id: str) -> Mapping[str, str]:
    """Names of the layers by id, from top to bottom; groups are none."""
    return {layer.layer_id: layer.name for layer in adapter.list_layers(document_id) if not layer.group}


def read_selection(adapter: HostAdapter, document_id: str, bounds: Bounds, choice: str) -> Image:
    """What is selected, white on black. Raises `PlaceGone` if nothing is any more."""
    if adapter.selection_bounds(document_id) is None:
        raise PlaceGone("Nothing is selected any more: select again what the control image shall show.")
    return adapter.read_selection(document_id, bounds)


@hookimpl
def underpaint_verbs() -> Sequence[Verb]:
    """Variation."""
    strength = Parameter(name="strength", title="How different", default=0.45, minimum=0.05, maximum=1.0)
    return [
        Verb(
            name="variation",
            title="Variation",
            description="Paints the visible picture once more, a little different each time, as a new layer.",
            start=variation,
            numbers=(strength,),
            texts=("prompt",),
            needs=frozenset({"document"}),
        )
    ]


@hookimpl
def underpaint_control_sources() -> Sequence[ControlSource]:
    """The visible picture, a layer, the selection."""
    return [
        ControlSource(name="merged", title="Visible picture", read=read_merged),
        ControlSource(
            name="layer",
            title="Layer",
            read=read_layer,
            choices=layers,
            needs=frozenset({"layers"}),
        ),
        ControlSource(
            name="selection", title="Selection", read=read_selection, needs=frozenset({"selection"})
        ),
    ]
