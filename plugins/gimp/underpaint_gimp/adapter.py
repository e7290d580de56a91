# SPDX-License-Identifier: GPL-3.0-or-later
"""The host contract over libgimp."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from typing import Any

from gi.repository import Gimp, GLib

from underpaint.errors import NoDocument, PlaceGone, UnderpaintError
from underpaint.host import (
    Canvas,
    Capability,
    HostAdapter,
    Layer,
    MainThreadQueue,
    Notice,
    Result,
    ResultKind,
)
from underpaint.types import Bounds, Image, JobUpdate, Preview

from . import documents, pictures
from .formats import format_of

_log = logging.getLogger(__name__)


class GimpAdapter(HostAdapter):
    """One call of the plug-in, on one image.

    `on_progress`, `on_preview` and `on_notice` are set by whoever runs the verb; `above` is the layer over
    which the result belongs (None: on top of all, since a fill repaints what is *visible* there).
    """

    name = "gimp"
    capabilities = frozenset(
        {
            Capability.SELECTION,
            Capability.LAYERS,
            Capability.MULTIPLE_DOCUMENTS,
            Capability.UNDO,
            Capability.PREVIEW,
        }
    )

    def __init__(self, image: Any) -> None:
        self.version = Gimp.version()
        self.image = image
        self.above: Any = None
        self.written: list[Any] = []
        """Layers that `write_result` made, oldest first."""
        self.on_progress: Callable[[JobUpdate], None] = lambda update: None
        self.on_preview: Callable[[Preview], None] = lambda preview: None
        self.on_notice: Callable[[Notice], None] = lambda notice: None
        self._queue = MainThreadQueue()

    def without_previews(self) -> None:
        """Nobody looks: the daemon need not make any."""
        self.capabilities -= {Capability.PREVIEW}

    def canvas(self) -> Canvas:
        """The image that the plug-in was called for."""
        image = self.image
        if image is None or not image.is_valid():
            raise NoDocument("The image was closed: open it again, then try again.")
        return Canvas(
            documents.document_id(image),
            image.get_width(),
            image.get_height(),
            format_of(image),
            image.get_name(),
        )

    def read_merged(self, document_id: str, bounds: Bounds) -> Image:
        """The visible picture within `bounds`, in the image's own precision."""
        image = self._image(document_id)
        return pictures.merged(image, bounds, format_of(image))

    def list_layers(self, document_id: str) -> Sequence[Layer]:
        """Layers from top to bottom, those in groups among them."""
        return [
            Layer(
                documents.layer_id(layer),
                layer.get_name(),
                pictures.layer_bounds(layer),
                layer.get_visible(),
                layer.get_lock_content(),
                layer.is_group(),
            )
            for layer in documents.layers(self._image(document_id))
        ]

    def read_layer(self, document_id: str, layer_id: str, bounds: Bounds) -> Image:
        """One layer's own pixels; a group's are those of its visible children."""
        image = self._image(document_id)
        return pictures.layer_pixels(documents.find_layer(image, layer_id), bounds, format_of(image))

    def selection_bounds(self, document_id: str) -> Bounds | None:
        """Tight bounds of the selection."""
        return pictures.selection_bounds(self._image(document_id))

    def read_selection(self, document_id: str, bounds: Bounds) -> Image:
        """The selection as a soft mask, u8."""
        return pictures.selection(self._image(document_id), bounds)

    def host_context(self, document_id: str) -> bytes:
        """The layer above which the result belongs, if one was named."""
        if self.above is None or not self.above.is_valid():
            return b""
        return json.dumps({"above": documents.layer_id(self.above)}).encode()

    def write_result(self, result: Result) -> None:
        """A new layer: one step in the undo history, selected, at its place on the canvas.

        A texture becomes an image of its own, in a view of its own where GIMP has a window.
        """
        if result.kind is ResultKind.TEXTURE:
            made = pictures.new_image(result.image, result.name)
            documents.keep_record(made.get_image(), result.provenance)
            self.written.append(made)
            return
        image = self._image(result.document_id)
        try:
            format_of(image)
        except UnderpaintError as refused:
            # The user changed the mode while the job ran; once it is changed back, the picture can come in.
            raise PlaceGone(
                f"{refused.message} Then choose Filters ▸ Underpaint ▸ Fetch Results."
            ) from refused
        layer = pictures.new_layer(image, result.image, result.name)
        parent, position = self._place(image, result.host_context)
        image.undo_group_start()
        try:
            image.insert_layer(layer, parent, position)
        finally:
            image.undo_group_end()
        documents.keep_record(image, result.provenance)
        Gimp.displays_flush()
        self.written.append(layer)

    def write_results(self, results: Sequence[Result], title: str) -> None:
        """All of them in one group of the undo history."""
        layers = [result for result in results if result.kind is ResultKind.LAYER]
        image = self._image(layers[0].document_id) if layers else None
        if image is not None:
            image.undo_group_start()
        try:
            super().write_results(results, title)
        finally:
            if image is not None:
                image.undo_group_end()

    def run_on_main(self, function: Callable[[], None]) -> None:
        """Runs `function` in GLib's main loop, which `runner` and GTK's dialogs turn."""
        self._queue.post(function)
        GLib.idle_add(self._pump, priority=GLib.PRIORITY_DEFAULT)

    def show_progress(self, update: JobUpdate) -> None:
        """Passed on to whoever runs the verb."""
        self.on_progress(update)

    def show_preview(self, document_id: str, preview: Preview, bounds: Bounds) -> None:
        """Passed on to whoever runs the verb."""
        self.on_preview(preview)

    def show_notice(self, notice: Notice) -> None:
        """Passed on to whoever runs the verb."""
        self.on_notice(notice)

    def _pump(self) -> bool:
        self._queue.pump()
        return bool(GLib.SOURCE_REMOVE)

    def _image(self, document_id: str) -> Any:
        return documents.find_image(document_id, self.image)

    def _place(self, image: Any, context: bytes) -> tuple[Any, int]:
        """Parent (None: the image itself) and position of a new layer."""
        try:
            above = documents.find_layer(image, str(json.loads(context)["above"])) if context else None
        except (ValueError, KeyError, TypeError, PlaceGone):
            _log.info("the layer below this result is gone; it goes on top")
            above = None
        if above is None:
            return None, 0
        return above.get_parent(), image.get_item_position(above)
