# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender behind the host contract: an image datablock is the document, another one its selection."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import bpy
import numpy as np

from underpaint.errors import HostError, NoDocument, PlaceGone
from underpaint.host import (
    Canvas,
    Capability,
    HostAdapter,
    MainThreadQueue,
    Notice,
    Result,
    ResultKind,
    remembered,
)
from underpaint.types import MASK_FORMAT, Bounds, ColorSpace, Image, JobUpdate, Preview

from . import pixels, thumbnail
from .documents import Documents
from .expanding import expanded

RECENT_NOTICES = 4
RECORDS = "underpaint-provenance"
"""An image's property: how models made what is in it, the records one by one, as JSON."""


class BlenderAdapter(HostAdapter):
    """One Blender. `image` and `mask` are set by the operator that starts a verb."""

    name = "blender"
    version = bpy.app.version_string
    capabilities = frozenset({Capability.SELECTION, Capability.UNDO, Capability.MULTIPLE_DOCUMENTS}) | (
        frozenset() if bpy.app.background else frozenset({Capability.PREVIEW})
    )

    def __init__(self) -> None:
        self.queue = MainThreadQueue()
        self.image = ""
        self.mask = ""
        self.mask_is_transparency = False
        self.update: JobUpdate | None = None
        self.notices: list[Notice] = []
        self.changed: Callable[[], None] = lambda: None
        self.last_image = ""
        self.textures: dict[str, str] = {}
        """Names of the datablocks that results became, by the results' own names."""
        self.progressed = 0
        self.documents = Documents()
        # Blender hands out whole images only: what `selection_bounds` read serves `read_selection` too.
        self._covered: tuple[str, pixels.Pixels] | None = None

    def canvas(self) -> Canvas:
        """The image that the operator chose."""
        image = bpy.data.images.get(self.image)
        if image is None:
            raise NoDocument("No image: open or make one in the Image Editor, then try again.")
        width, height = image.size
        document_id = self.documents.id_of(image)
        return Canvas(document_id, width, height, pixels.format_of(image), image.name)

    def read_merged(self, document_id: str, bounds: Bounds) -> Image:
        """A part of the image; Blender hands out whole images only."""
        return pixels.part(self.documents.find(document_id), bounds)

    def selection_bounds(self, document_id: str) -> Bounds | None:
        """Where the mask is not black (or, as chosen, where it is transparent). None without a mask."""
        image = self.documents.find(document_id)
        if not self.mask and not self.mask_is_transparency:
            return None
        whole = self._coverage(image, Bounds(0, 0, *image.size))
        masked = whole > 0.0
        filled_rows, filled_columns = np.flatnonzero(masked.any(axis=1)), np.flatnonzero(masked.any(axis=0))
        if not len(filled_rows):
            return None
        self._covered = document_id, whole
        # Only for what is read in the same turn of the event loop: in the next one it may be painted over.
        self.run_on_main(self._forget_mask)
        x, right = int(filled_columns[0]), int(filled_columns[-1]) + 1
        top, bottom = image.size[1] - 1 - int(filled_rows[-1]), image.size[1] - int(filled_rows[0])
        return Bounds(x, top, right - x, bottom - top)

    def read_selection(self, document_id: str, bounds: Bounds) -> Image:
        """The mask as bytes; the top row first."""
        image = self.documents.find(document_id)
        kept, self._covered = self._covered, None
        if kept is not None and kept[0] == document_id:
            whole = kept[1]
        else:
            whole = self._coverage(image, Bounds(0, 0, *image.size))
        covered = whole[pixels.rows(image.size[1], bounds), bounds.x : bounds.right][::-1]
        data = np.rint(covered.clip(0.0, 1.0) * 255.0).astype(np.uint8).tobytes()
        return Image(bounds.width, bounds.height, data, MASK_FORMAT, bounds.x, bounds.y)

    def host_context(self, document_id: str) -> bytes:
        """The image's name, for messages."""
        return json.dumps({"image": self.image}).encode()

    def write_result(self, result: Result) -> None:
        """A new datablock: in-place pixel writes do not undo. Its users are re-pointed, in one undo push."""
        self._write(result)
        undo_push(f"Underpaint: {result.name}")

    def write_results(self, results: Sequence[Result], title: str) -> None:
        """A new datablock each, in one undo push."""
        for result in results:
            self._write(result)
        undo_push(f"Underpaint: {title}")

    def _write(self, result: Result) -> None:
        if result.kind is ResultKind.TEXTURE:
            space = result.image.format.color_space
            if space is ColorSpace.DATA:
                # A map belongs to a material, not into somebody's editor.
                made = pixels.new_map(result.name, result.image)
            else:
                is_float = space is ColorSpace.LINEAR_REC709
                made = pixels.new_image(result.name, pixels.array(result.image).copy(), is_float=is_float)
                _show(made)
            self.textures[result.name] = made.name
            before = ""
        elif result.kind is ResultKind.EXPANDED:
            old = self.documents.find(result.document_id)
            made, before = expanded(old, result.image), old.get(RECORDS, "")
            _show(made)
        else:
            before = self.documents.find(result.document_id).get(RECORDS, "")
            made = self._replaced(result)
        if result.provenance is not None:
            made[RECORDS] = remembered(before, result.provenance)
        self.last_image = made.name

    def run_on_main(self, function: Callable[[], None]) -> None:
        """Queues for the add-on's timer, or for whoever pumps."""
        self.queue.post(function)

    def show_progress(self, update: JobUpdate) -> None:
        """For the panel."""
        self.update = update
        self.progressed += 1
        self.changed()

    def show_preview(self, document_id: str, preview: Preview, bounds: Bounds) -> None:
        """In the panel: over an image nothing can be drawn that is not in it."""
        thumbnail.show(preview)
        self.changed()

    def show_notice(self, notice: Notice) -> None:
        """For the panel, and for the console where there is no window."""
        self.notices = [*self.notices[-RECENT_NOTICES + 1 :], notice]
        if bpy.app.background:
            print(f"underpaint: {notice.text}")
        self.changed()

    def _forget_mask(self) -> None:
        self._covered = None

    def _coverage(self, image: bpy.types.Image, bounds: Bounds) -> pixels.Pixels:
        mask = image if self.mask_is_transparency else bpy.data.images.get(self.mask)
        if mask is None:
            raise HostError(f"The mask image {self.mask!r} is no longer in this file: choose another one.")
        if tuple(mask.size) != tuple(image.size):
            sizes = "{}x{}".format(*mask.size), "{}x{}".format(*image.size)
            message = f"The mask is {sizes[0]}, the image {sizes[1]}: scale the mask to the image's size."
            raise HostError(message)
        return pixels.coverage(mask, bounds, transparent=self.mask_is_transparency)

    def _replaced(self, result: Result) -> bpy.types.Image:
        old = self.documents.find(result.document_id)
        width, height = old.size
        place = result.image.bounds.intersect(Bounds(0, 0, width, height))
        if place.is_empty:
            raise PlaceGone(f"{old.name} is smaller now; the result lies outside it.")
        # Read again: whatever was painted while the job ran stays.
        whole = pixels.four_channels(pixels.read(old))
        local = Bounds(place.x - result.image.x, place.y - result.image.y, place.width, place.height)
        above = pixels.array(result.image)[pixels.rows(result.image.height, local), local.x : local.right]
        target = (pixels.rows(height, place), slice(place.x, place.right))
        whole[target] = pixels.laid_over(whole[target], above, result.image.format)
        name = old.name
        made = pixels.new_image(name, whole, is_float=old.is_float, like=old)
        # The new image takes the name and all that held the old one, which the file then need not keep.
        old.name = f"{name} before"
        made.name = name
        made.use_fake_user, old.use_fake_user = old.use_fake_user, False
        old.user_remap(made)
        self.documents.replaced(result.document_id, made)
        if not old.is_dirty:
            # Undo reads it again, from its file or packed; only unsaved strokes live in the datablock alone.
            # Each one that stays makes every later undo step slower, by all of its pixels.
            bpy.data.images.remove(old)
        return made


def _show(image: bpy.types.Image) -> None:
    """Brings a texture into an Image Editor, best an empty one, never one in which somebody paints."""
    areas = [area for window in bpy.context.window_manager.windows for area in window.screen.areas]
    editors = [area.spaces.active for area in areas if area.type == "IMAGE_EDITOR"]
    free = [editor for editor in editors if editor.image is None or editor.ui_mode == "VIEW"]
    for editor in sorted(free, key=lambda editor: editor.image is not None)[:1]:
        editor.image = image


def undo_push(message: str) -> None:
    """One step for Ctrl+Z. Scripts without a window have no undo history to push to."""
    if bpy.ops.ed.undo_push.poll():
        bpy.ops.ed.undo_push(message=message[:63])
