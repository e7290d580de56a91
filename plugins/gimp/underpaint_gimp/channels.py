# SPDX-License-Identifier: GPL-3.0-or-later
"""Channels, such as saved selections, and the masks of layers: white where something counts."""

from __future__ import annotations

from typing import Any

from underpaint.errors import PlaceGone
from underpaint.hookspecs import ControlSource
from underpaint.host import HostAdapter
from underpaint.types import Bounds, Image

from . import documents, pictures

CHANNEL = "channel"
_OF_LAYER = "mask-"
"""Before a layer's tattoo: its mask."""


def choices(_adapter: HostAdapter, document_id: str) -> dict[str, str]:
    """Channels from top to bottom, then masks of layers."""
    image = documents.find_image(document_id, None)
    found = {str(one.get_tattoo()): one.get_name() for one in image.get_channels()}
    masked = [layer for layer in documents.layers(image) if layer.get_mask() is not None]
    return found | {
        f"{_OF_LAYER}{documents.layer_id(layer)}": f"Mask of {layer.get_name()}" for layer in masked
    }


def read(_adapter: HostAdapter, document_id: str, bounds: Bounds, choice: str) -> Image:
    """A channel's grey values as a mask, hidden or not; black beyond its edges. Raises `PlaceGone`."""
    image = documents.find_image(document_id, None)
    return pictures.mask(_drawable(image, choice), bounds)


CHANNELS = ControlSource(name=CHANNEL, title="Channel", read=read, choices=choices)


def _drawable(image: Any, choice: str) -> Any:
    if choice.startswith(_OF_LAYER):
        found = documents.find_layer(image, choice.removeprefix(_OF_LAYER)).get_mask()
    else:
        found = next((one for one in image.get_channels() if str(one.get_tattoo()) == choice), None)
    if found is None:
        raise PlaceGone("The channel that was chosen is gone: choose another one and try again.")
    return found
