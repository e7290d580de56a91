# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that pictures keep to: what the scene remembers of them, and what they are for the session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import bpy
import numpy as np

from underpaint.errors import InvalidRequest, PlaceGone, UnderpaintError, Violation
from underpaint.hookspecs import ControlSource
from underpaint.host import (
    AttachedControl,
    AttachedMask,
    ControlOffers,
    ControlRow,
    HostAdapter,
    control_offers,
    roles_of,
)
from underpaint.types import Bounds, Image, LoraInfo, ModelInfo, ModelList, PreprocessorInfo

from . import pixels, runtime
from .covers import COVERS, IMAGE, image_names

AUTO = "auto"
"""A preprocessor that is chosen once the daemon has told which there are."""
_NO_IMAGE = "Choose the image that the picture shall keep to."


@dataclass
class Known:
    """What the daemon has told; None while it has not."""

    models: ModelList | None = None
    preprocessors: tuple[PreprocessorInfo, ...] | None = None
    loras: tuple[LoraInfo, ...] | None = None


known = Known()


def read_image(adapter: HostAdapter, document_id: str, bounds: Bounds, choice: str) -> Image:
    """An image of the file, scaled over the document; over `bounds` where there is none, as for a texture."""
    image = bpy.data.images.get(choice)
    if image is None:
        raise PlaceGone(f"The image {choice!r} is no longer in this file: choose another control image.")
    whole = adapter.canvas().bounds if document_id else bounds
    place = Bounds(bounds.x - whole.x, bounds.y - whole.y, bounds.width, bounds.height)
    if tuple(image.size) == (whole.width, whole.height):
        part = pixels.part(image, place)
        return Image(bounds.width, bounds.height, part.data, part.format, bounds.x, bounds.y)
    scaled = pixels.scaled(image, whole.width, whole.height)
    data = memoryview(np.ascontiguousarray(scaled[pixels.rows(whole.height, place), place.x : place.right]))
    return Image(bounds.width, bounds.height, data.cast("B"), pixels.format_of(image), bounds.x, bounds.y)


IMAGES = ControlSource(name=IMAGE, title="Image", read=read_image, choices=image_names)


def offers(images: ControlSource = IMAGES) -> ControlOffers:
    """What there is to choose; `images` reads those of the file."""
    adapter = runtime.adapter()
    sources = [images, *runtime.extensions().control_sources_for(adapter)]
    # Whether the mask is empty is seen when it is read: the panel is drawn often, and masks are large.
    settings = bpy.context.scene.underpaint
    masked = bool(adapter.mask or adapter.mask_is_transparency or settings.mask or settings.transparent)
    return control_offers(adapter, sources, known.preprocessors or (), selected=lambda: masked)


def choices_of(source: str) -> list[str]:
    """What a source lets one choose."""
    return [place.choice for place in offers().places if place.source.name == source and place.choice]


def roles() -> tuple[str, ...]:
    """Roles that any model takes; none while the daemon has not told."""
    return roles_of(known.models.models) if known.models is not None else ()


def row_of(item: Any) -> ControlRow:
    """An entry of the scene's list, as the session has it."""
    name = item.image.name if item.image is not None else ""
    ours = item.source == IMAGE
    mask = item.mask.name if item.mask is not None else item.mask_name
    row = ControlRow(
        role=item.role,
        source=item.source,
        choice=name if ours else item.choice,
        title=name if ours else item.choice or item.source,
        preprocessor="" if item.preprocessor == AUTO else item.preprocessor,
        strength=item.strength,
        start=item.start,
        end=item.end,
        model=item.model,
        mask_source=IMAGE if mask else "",
        mask_choice=mask,
        mask_title=mask,
    )
    if item.preprocessor == AUTO and known.preprocessors is not None:
        # As a row of another role that becomes one of this role.
        return offers().with_role(replace(row, role=""), row.role)
    return row


def problem(item: Any, settings: Any) -> str:
    """Why an entry cannot be used, as a sentence; "" if it can, as far as is known."""
    if item.source == IMAGE and item.image is None:
        return _NO_IMAGE
    row, found = row_of(item), offers()
    wrong = [found.problem(row, model) for model in models_of(settings)]
    return "" if "" in wrong else wrong[0]  # what either of them takes is no mistake yet


def models_of(settings: Any) -> list[ModelInfo | None]:
    """The model that is chosen, or those for painting and for filling; one None while nobody knows."""
    told = known.models
    if told is None:
        return [None]
    chosen = told.get(settings.model)
    names = (told.default_model, told.default_inpaint_model) if chosen is None else (chosen.name,)
    return [model for model in map(told.get, names) if model is not None] or [None]


def attached(settings: Any) -> tuple[AttachedControl, ...]:
    """For `Settings.controls`. Raises `InvalidRequest` for one that cannot be used."""
    made = [one(item) for item in settings.controls]
    if wrong := next(filter(None, (problem(item, settings) for item in settings.controls)), ""):
        raise InvalidRequest(wrong, violations=[Violation("controls", "has one that cannot be used")])
    return tuple(control for _, control in made)


def one(item: Any) -> tuple[ControlRow, AttachedControl]:
    """An entry as the session has it, its preprocessor chosen. Raises `InvalidRequest`."""
    if item.preprocessor == AUTO and known.preprocessors is None:
        learn(wait=bpy.app.background)
        if known.preprocessors is None:
            raise InvalidRequest(
                "The daemon has not told yet what makes control images: try again in a moment, or choose it.",
                violations=[Violation("preprocessor", "is not chosen yet")],
            )
    if item.source == IMAGE and item.image is None:
        raise InvalidRequest(_NO_IMAGE, violations=[Violation("image", "is missing")])
    row = row_of(item)
    (control,) = offers().attach([row])
    if control.mask is not None and control.mask.source is IMAGES:
        control = replace(control, mask=AttachedMask(COVERS, control.mask.choice))
    return row, control


def learn(*, wait: bool = False) -> None:
    """Asks the daemon which preprocessors there are; `wait` is for scripts, which have no event loop."""
    answered: list[bool] = []

    def on_answer(found: Sequence[PreprocessorInfo] | UnderpaintError) -> None:
        runtime.expect_answer(-1)
        answered.append(True)
        if not isinstance(found, UnderpaintError):  # the models' answer says what is wrong
            known.preprocessors = tuple(found)
            runtime.redraw()

    runtime.expect_answer(1)
    runtime.session().preprocessors(on_answer)
    if wait:
        runtime.adapter().queue.pump_until(lambda: bool(answered))
