"""The plug-in that every host has: verbs beside the session's own, and the usual control sources.

Written against nothing but what any other plug-in gets: the hooks, the adapter's and the session's methods.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from underpaint.errors import PlaceGone
from underpaint.hookspecs import ControlSource, Verb, hookimpl
from underpaint.host.margins import MAX_MARGIN, Margins
from underpaint.types import Bounds, Image, Parameter, Tiling

if TYPE_CHECKING:
    from underpaint.host.adapter import HostAdapter
    from underpaint.host.session import Session
    from underpaint.host.task import Task


def variation(session: Session, values: Mapping[str, float | str]) -> Task:
    """Paints what is visible once more, a little different each time, as a new layer."""
    settings = replace(session.settings, strength=float(values["strength"]), seed=secrets.randbits(64))
    return session.generate(str(values["prompt"]), settings, from_picture=True, verb="Variation")


def refine(session: Session, values: Mapping[str, float | str]) -> Task:
    """Paints what is selected once more and keeps what it shows: a new layer with more detail."""
    settings = replace(session.settings, strength=float(values["strength"]), fill_mode="keep")
    return session.fill(str(values["prompt"]), settings, verb="Refine")


def remove(session: Session, values: Mapping[str, float | str]) -> Task:
    """Takes away what is selected: what is around it goes on there. No words needed."""
    # Without words altogether: what regions say would come in place of what goes.
    settings = replace(session.settings, strength=None, fill_mode="continue", regions=())
    if not settings.negative_prompt:
        # Without words, with and without them is the same: half the work.
        settings = replace(settings, guidance_scale=1.0)
    return session.fill("", settings, verb="Remove")


def expand(session: Session, values: Mapping[str, float | str]) -> Task:
    """Goes on with the picture beyond its edges: a layer that hangs over the canvas, or a larger picture."""
    edges = {name: round(float(values[name])) for name in ("left", "top", "right", "bottom")}
    return session.expand(str(values["prompt"]), Margins(**edges), session.settings)


def edit(session: Session, values: Mapping[str, float | str]) -> Task:
    """Changes what is visible as the prompt says, as a new layer."""
    return session.generate(str(values["prompt"]), session.settings, edit=True, verb="Edit")


def maps(session: Session, values: Mapping[str, float | str]) -> Task:
    """Height, normals, roughness and ambient occlusion of the visible picture, each as a layer."""
    numbers = {name: float(value) for name, value in values.items() if name != "seamless"}
    tiling = Tiling.XY if float(values["seamless"]) >= 0.5 else session.settings.tiling
    return session.maps(replace(session.settings, tiling=tiling), parameters=numbers)


def upscale(session: Session, values: Mapping[str, float | str]) -> Task:
    """A larger picture of what is visible, with as much painted into it as `strength` says: 0.0 nothing."""
    settings = replace(session.settings, strength=float(values["strength"]))
    return session.upscale(str(values["prompt"]), settings, factor=float(values["factor"]))


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


def _edge(name: str) -> Parameter:
    return Parameter(
        name=name, title=f"{name.capitalize()}, pixels", default=0, minimum=0, maximum=MAX_MARGIN, step=1
    )


@hookimpl
def underpaint_verbs() -> Sequence[Verb]:
    """Refining, removing, expanding, enlarging; variation; editing by instruction; the maps of a material."""
    strength = Parameter(name="strength", title="How different", default=0.45, minimum=0.05, maximum=1.0)
    return [
        Verb(
            name="refine",
            title="Refine Selection",
            description="Paints the selected part once more and keeps what it shows, as a new layer.",
            start=refine,
            numbers=(replace(strength, title="How much to change", default=0.35),),
            texts=("prompt",),
            needs=frozenset({"document", "selection"}),
        ),
        Verb(
            name="remove",
            title="Remove Selection",
            description="Takes away what is selected and goes on with what is around it. Needs no prompt.",
            start=remove,
            needs=frozenset({"document", "selection"}),
        ),
        Verb(
            name="expand",
            title="Expand Picture",
            description="Goes on with the picture beyond its edges: as a layer that hangs over the canvas, "
            "or as a larger picture where there are no layers.",
            start=expand,
            numbers=tuple(_edge(name) for name in ("left", "top", "right", "bottom")),
            texts=("prompt",),
            needs=frozenset({"document"}),
        ),
        Verb(
            name="variation",
            title="Variation",
            description="Paints the visible picture once more, a little different each time, as a new layer.",
            start=variation,
            numbers=(strength,),
            texts=("prompt",),
            needs=frozenset({"document"}),
        ),
        Verb(
            name="edit",
            title="Edit by Instruction",
            description="Changes the visible picture as the prompt says ('make it night'), as a new layer. "
            "Needs a model that can, FLUX.1 Kontext for one.",
            start=edit,
            texts=("prompt",),
            needs=frozenset({"document"}),
        ),
        Verb(
            name="pbr-maps",
            title="Material Maps",
            description="Makes height, normal, roughness and ambient occlusion maps of the visible picture.",
            start=maps,
            numbers=(
                Parameter(
                    name="relief", title="Height of white, pixels", default=8.0, minimum=0.1, maximum=1024.0
                ),
                Parameter(
                    name="base", title="Roughness of what is even", default=0.5, minimum=0.0, maximum=1.0
                ),
                Parameter(name="invert", title="Dark is high", default=0, minimum=0, maximum=1, step=1),
                Parameter(
                    name="directx", title="Normals as DirectX", default=0, minimum=0, maximum=1, step=1
                ),
                Parameter(name="seamless", title="Edges meet", default=0, minimum=0, maximum=1, step=1),
            ),
            needs=frozenset({"document"}),
        ),
        Verb(
            name="upscale",
            title="Upscale",
            description="Makes a larger picture of what is visible, as a picture of its own: by an upscaler "
            "where there is one, else by careful scaling. Then the model paints in finer detail.",
            start=upscale,
            numbers=(
                Parameter(name="factor", title="Times as wide", default=2.0, minimum=1.0, maximum=16.0),
                Parameter(
                    name="strength",
                    title="Detail to paint in, 0: none",
                    default=0.3,
                    minimum=0.0,
                    maximum=1.0,
                ),
            ),
            texts=("prompt",),
            needs=frozenset({"document"}),
        ),
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
