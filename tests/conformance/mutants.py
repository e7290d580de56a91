"""Adapters with one mistake each, as an author could make it, and which check must say so in which words."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import IO, Any

import numpy as np

from underpaint.errors import HostError, NoDocument, PlaceGone
from underpaint.host import Canvas, Layer, Notice, Result, ResultKind, Task
from underpaint.testing.conformance.codec import Color
from underpaint.testing.reference.document import Document
from underpaint.testing.reference.host import ReferenceHost
from underpaint.testing.reference.layers import PaintLayer, walk
from underpaint.testing.reference.merge import merged
from underpaint.testing.reference.rig import ReferenceRig
from underpaint.testing.reference.samples import image_of, view_of
from underpaint.types import Bounds, ColorSpace, DataType, Image, JobState, JobUpdate, PixelFormat, Preview


class MutantRig(ReferenceRig):
    """The reference host's user, in front of another adapter."""

    made: type[ReferenceHost] = ReferenceHost

    def __init__(self) -> None:
        super().__init__()
        self.host = self.adapter = self.made()

    def restart(self) -> None:
        documents, active = self.host.documents, self.host.active
        self.host = self.adapter = self.made()
        for document in documents.values():
            self.host.open(document)
        self.host.active = active


@dataclass(frozen=True)
class Mistake:
    """What is wrong, and how the suite must name it."""

    name: str
    rig: type[MutantRig]
    caught_by: frozenset[str]
    words: str
    """In the message of each of them."""


MISTAKES: list[Mistake] = []


def mistake(*caught_by: str, words: str) -> Callable[[type[Any]], type[Any]]:
    """Registers an adapter, or a rig."""

    def add(made: type[Any]) -> type[Any]:
        rig = (
            made if issubclass(made, MutantRig) else type(f"{made.__name__}Rig", (MutantRig,), {"made": made})
        )
        MISTAKES.append(Mistake(made.__name__, rig, frozenset(caught_by), words))
        return made

    return add


def changed(image: Image, change: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]) -> Image:
    """An image with other pixels and the same claims."""
    return replace(image, data=change(view_of(image)).tobytes(), stride=0)


# Describing


@mistake("document-described", words="43x61")
class WidthAndHeightSwapped(ReferenceHost):
    def canvas(self) -> Canvas:
        canvas = super().canvas()
        return replace(canvas, width=canvas.height, height=canvas.width)


@mistake("no-document", words="KeyError")
class NoDocumentNotRaised(ReferenceHost):
    def canvas(self) -> Canvas:
        with suppress(NoDocument):
            return super().canvas()
        raise KeyError(self.active)


@mistake("place-gone", words="write_result of an unknown document changed the active one")
class WritesIntoTheActiveDocumentInstead(ReferenceHost):
    def write_result(self, result: Result) -> None:
        if result.kind is ResultKind.LAYER and result.document_id not in self.documents:
            result = replace(result, document_id=self.active)
        super().write_result(result)


@mistake("two-documents", words="went into the active document")
class WritesIntoWhateverIsActive(ReferenceHost):
    def write_result(self, result: Result) -> None:
        if result.kind is ResultKind.LAYER and result.document_id in self.documents:
            result = replace(result, document_id=self.active)
        super().write_result(result)


@mistake("unicode-names", words="🦇")
class NamesInAscii(ReferenceHost):
    def write_result(self, result: Result) -> None:
        super().write_result(replace(result, name=result.name.encode("ascii", "ignore").decode()))


# Reading


@mistake("orientation", words="bottom first.*BOTTOM_UP")
class RowsFlipped(ReferenceHost):
    def read_merged(self, document_id: str, bounds: Bounds) -> Image:
        return changed(super().read_merged(document_id, bounds), lambda pixels: pixels[::-1])


@mistake("orientation", words="left and right are swapped")
class ColumnsMirrored(ReferenceHost):
    def read_merged(self, document_id: str, bounds: Bounds) -> Image:
        return changed(super().read_merged(document_id, bounds), lambda pixels: pixels[:, ::-1])


@mistake("channel-order", words="red and blue are swapped: Channels.BGRA")
class ChannelsSwapped(ReferenceHost):
    def read_merged(self, document_id: str, bounds: Bounds) -> Image:
        return changed(super().read_merged(document_id, bounds), lambda pixels: pixels[..., [2, 1, 0, 3]])


@mistake("read-alpha", words="premultiplied where Alpha.STRAIGHT")
class PremultipliedDeclaredStraight(ReferenceHost):
    def read_merged(self, document_id: str, bounds: Bounds) -> Image:
        def multiplied(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            if pixels.dtype != np.uint8:
                return pixels
            alpha = pixels[..., 3:] / 255
            color = np.rint(pixels[..., :3] * alpha).astype(np.uint8)
            return np.concatenate([color, pixels[..., 3:]], axis=2)

        return changed(super().read_merged(document_id, bounds), multiplied)


@mistake("read-place", words="1 px to the left")
class ReadsOnePixelBeside(ReferenceHost):
    def read_merged(self, document_id: str, bounds: Bounds) -> Image:
        document = self._document(document_id)
        beside = Bounds(bounds.x + 1, bounds.y, bounds.width, bounds.height)
        return image_of(merged(document.layers, beside, document.format.data_type), bounds, document.format)


@mistake(*(f"read-{kind.value}-linear" for kind in DataType), words="tones are wrong")
class LinearTreatedAsSrgb(ReferenceHost):
    def read_merged(self, document_id: str, bounds: Bounds) -> Image:
        image = super().read_merged(document_id, bounds)
        return replace(image, format=replace(image.format, color_space=ColorSpace.SRGB))


@mistake("read-u16-srgb", "read-u16-linear", words="rounded to 8 bits")
class SixteenBitsCutToEight(ReferenceHost):
    def read_merged(self, document_id: str, bounds: Bounds) -> Image:
        image = super().read_merged(document_id, bounds)
        if image.format.data_type is not DataType.U16:
            return image
        data = np.rint(view_of(image) / 257).astype(np.uint8).tobytes()
        return replace(image, data=data, format=replace(image.format, data_type=DataType.U8))


@mistake("huge-canvas", words="MiB|took")
class ReadsTheWholeCanvas(ReferenceHost):
    def read_merged(self, document_id: str, bounds: Bounds) -> Image:
        document = self._document(document_id)
        whole = merged(document.layers, document.canvas, document.format.data_type)
        part = whole[bounds.y : bounds.bottom, bounds.x : bounds.right]
        return image_of(part, bounds, document.format)


@mistake("fill-arrives", words="the picture that arrived")
class OneBufferForEveryRead(ReferenceHost):
    def __init__(self) -> None:
        super().__init__()
        self._buffer = bytearray(1 << 24)

    def read_merged(self, document_id: str, bounds: Bounds) -> Image:
        return self._lent(super().read_merged(document_id, bounds))

    def read_selection(self, document_id: str, bounds: Bounds) -> Image:
        return self._lent(super().read_selection(document_id, bounds))

    def _lent(self, image: Image) -> Image:
        self._buffer[: image.size_bytes] = image.data
        return replace(image, data=memoryview(self._buffer)[: image.size_bytes])


# Layers


@mistake("layers-listed", words="from top to bottom they are")
class LayersFromTheBottom(ReferenceHost):
    def list_layers(self, document_id: str) -> Sequence[Layer]:
        return list(reversed(super().list_layers(document_id)))


@mistake("layer-offset", words="an offset is off|pixels differ|transparent")
class LayerOffsetIgnored(ReferenceHost):
    def read_layer(self, document_id: str, layer_id: str, bounds: Bounds) -> Image:
        layers = walk(self._document(document_id).layers)
        x, y = next(((node.bounds.x, node.bounds.y) for node in layers if node.layer_id == layer_id), (0, 0))
        moved = Bounds(bounds.x + x, bounds.y + y, bounds.width, bounds.height)
        return replace(super().read_layer(document_id, layer_id, moved), x=bounds.x, y=bounds.y)


@mistake("hidden-layers", words="the hidden layer is in the merged picture")
class HiddenLayersLeak(ReferenceHost):
    def read_merged(self, document_id: str, bounds: Bounds) -> Image:
        document = self._document(document_id)
        shown = tuple(replace(node, visible=True) for node in document.layers)
        return image_of(merged(shown, bounds, document.format.data_type), bounds, document.format)


@mistake("groups", words="list_layers gives")
class GroupsNotEntered(ReferenceHost):
    def list_layers(self, document_id: str) -> Sequence[Layer]:
        listed = {layer.layer_id: layer for layer in super().list_layers(document_id)}
        return [listed[node.layer_id] for node in self._document(document_id).layers]


@mistake("locked-layers", "result-named", words="locked|one more was due")
class PaintsIntoTheActiveLayer(ReferenceHost):
    def write_result(self, result: Result) -> None:
        document = self.documents.get(result.document_id)
        active = (
            next((node for node in document.layers if node.layer_id == document.active), None)
            if document
            else None
        )
        image = result.image
        covers = isinstance(active, PaintLayer) and active.bounds.contains(image.bounds)
        if not covers or document is None:
            super().write_result(result)
            return
        seen = merged(document.layers, document.canvas, document.format.data_type)
        part = seen[image.y : image.bounds.bottom, image.x : image.bounds.right]
        above = view_of(image)
        part[above[..., 3] > 0] = above[above[..., 3] > 0]
        document.change(document.active, lambda node: replace(node, samples=seen))  # type: ignore[call-arg]


@mistake("layer-gone", words="PlaceGone was due")
class DeletedLayerIsEmpty(ReferenceHost):
    def read_layer(self, document_id: str, layer_id: str, bounds: Bounds) -> Image:
        try:
            return super().read_layer(document_id, layer_id, bounds)
        except PlaceGone:
            nothing = np.zeros((bounds.height, bounds.width, 4), np.uint8)
            return image_of(nothing, bounds, PixelFormat())


# Selections


@mistake("no-selection", words="nothing is selected, and selection_bounds is")
class NothingSelectedIsEverything(ReferenceHost):
    def selection_bounds(self, document_id: str) -> Bounds | None:
        return super().selection_bounds(document_id) or self._document(document_id).canvas


@mistake("selection-polarity", words="the mask is inverted")
class MaskInverted(ReferenceHost):
    def read_selection(self, document_id: str, bounds: Bounds) -> Image:
        return changed(super().read_selection(document_id, bounds), lambda pixels: 255 - pixels)


@mistake("selection-bounds", words="is selected, selection_bounds is")
class SelectionBoundsNotTight(ReferenceHost):
    def selection_bounds(self, document_id: str) -> Bounds | None:
        found = super().selection_bounds(document_id)
        if found is None:
            return None
        grown = Bounds(found.x - 1, found.y - 1, found.width + 2, found.height + 2)
        return grown.intersect(self._document(document_id).canvas)


@mistake("selection-soft", words="hardened")
class SelectionHardened(ReferenceHost):
    def read_selection(self, document_id: str, bounds: Bounds) -> Image:
        return changed(
            super().read_selection(document_id, bounds), lambda pixels: (pixels > 127).astype(np.uint8) * 255
        )


@mistake("selection-soft", words="upside down")
class MaskUpsideDown(ReferenceHost):
    def read_selection(self, document_id: str, bounds: Bounds) -> Image:
        return changed(super().read_selection(document_id, bounds), lambda pixels: pixels[::-1])


@mistake("selection-off-canvas", words="inside the canvas is")
class SelectionBeyondTheCanvas(ReferenceHost):
    def selection_bounds(self, document_id: str) -> Bounds | None:
        selection = self._document(document_id).selection
        return selection.tight(selection.bounds) if selection is not None else None


# Writing


@mistake("result-place", words="1 px to the right")
class PlacedOnePixelBeside(ReferenceHost):
    def write_result(self, result: Result) -> None:
        super().write_result(replace(result, image=replace(result.image, x=result.image.x + 1)))


@mistake("result-place", words="upside down")
class WrittenUpsideDown(ReferenceHost):
    def write_result(self, result: Result) -> None:
        super().write_result(replace(result, image=changed(result.image, lambda pixels: pixels[::-1])))


@mistake("result-over-edge", words="pixels differ")
class MovedIntoTheCanvas(ReferenceHost):
    def write_result(self, result: Result) -> None:
        image = result.image
        super().write_result(replace(result, image=replace(image, x=max(0, image.x), y=max(0, image.y))))


@mistake("result-stride", words="pixels differ|px")
class StrideIgnored(ReferenceHost):
    def write_result(self, result: Result) -> None:
        super().write_result(replace(result, image=replace(result.image, stride=0)))


@mistake("result-alpha", words="alpha is lost")
class ResultAlphaLost(ReferenceHost):
    def write_result(self, result: Result) -> None:
        def opaque(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            full = 1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
            return np.concatenate([pixels[..., :3], np.full_like(pixels[..., 3:], full)], axis=2)

        super().write_result(replace(result, image=changed(result.image, opaque)))


@mistake("outside-untouched", words="outside of the result changed")
class SavesThePictureInFewerBits(ReferenceHost):
    def write_result(self, result: Result) -> None:
        super().write_result(result)
        if result.kind is ResultKind.LAYER:
            document = self._document(result.document_id)
            old = {node.layer_id for node in document.undo_steps[-1].state.layers}
            layers = tuple(_coarse(node) if node.layer_id in old else node for node in document.layers)
            document.state = replace(document.state, layers=layers)


def _coarse(node: Any) -> Any:
    if not isinstance(node, PaintLayer) or node.samples.dtype != np.uint8 or node.locked:
        return node
    return replace(node, samples=node.samples & np.array([254, 254, 254, 255], np.uint8))


@mistake(*(f"result-{kind.value}-linear" for kind in DataType), words="tones are wrong")
class AsksForSrgbWritesAsLinear(ReferenceHost):
    def canvas(self) -> Canvas:
        canvas = super().canvas()
        return replace(canvas, result_format=replace(canvas.result_format, color_space=ColorSpace.SRGB))

    def write_result(self, result: Result) -> None:
        document = self.documents.get(result.document_id)
        if document is not None:
            result = replace(result, image=replace(result.image, format=document.format))
        super().write_result(result)


# Undo


@mistake("one-undo-step", words="made 2 undo steps")
class TwoUndoSteps(ReferenceHost):
    def write_result(self, result: Result) -> None:
        super().write_result(result)
        if result.kind is ResultKind.LAYER:
            document = self._document(result.document_id)
            document.edit("Rename", document.state)


@mistake("one-undo-step", words="made 0 undo steps")
class NoUndoStep(ReferenceHost):
    def write_result(self, result: Result) -> None:
        super().write_result(result)
        if result.kind is ResultKind.LAYER:
            self._document(result.document_id).undo_steps.pop()


@mistake("undo-redo-exact", words="redo did not bring the result back")
class PixelsAfterTheStep(ReferenceHost):
    def write_result(self, result: Result) -> None:
        if result.kind is ResultKind.TEXTURE:
            super().write_result(result)
            return
        empty = changed(result.image, lambda pixels: np.zeros_like(pixels))
        super().write_result(replace(result, image=empty))
        document = self._document(result.document_id)
        old = {node.layer_id for node in document.undo_steps[-1].state.layers}
        added = next(node for node in document.layers if node.layer_id not in old)
        samples = np.array(view_of(result.image))
        layers = tuple(
            replace(node, samples=samples) if node is added else node  # type: ignore[call-arg]
            for node in document.layers
        )
        before = document.undo_steps[-1].state
        document.state = replace(document.state, layers=layers)
        self._lost(document, before)

    def _lost(self, document: Document, before: Any) -> None:
        """What redo brings back has no pixels: the host recorded the step before they were there."""
        undo = document.undo

        def forgetful() -> str:
            name = undo()
            bare = tuple(
                replace(node, samples=np.zeros_like(node.samples))
                if isinstance(node, PaintLayer) and node.layer_id not in {n.layer_id for n in before.layers}
                else node
                for node in document.redo_steps[-1].state.layers
            )
            step = document.redo_steps[-1]
            document.redo_steps[-1] = replace(step, state=replace(step.state, layers=bare))
            return name

        document.undo = forgetful  # type: ignore[method-assign]


# Threads


@mistake("run-on-main", words="ran on the thread 'conformance-")
class RunOnMainRunsInline(ReferenceHost):
    def run_on_main(self, function: Callable[[], None]) -> None:
        function()


@mistake("run-on-main", words="waited for the main thread")
class RunOnMainWaits(ReferenceHost):
    def run_on_main(self, function: Callable[[], None]) -> None:
        if threading.get_ident() == self._thread:
            super().run_on_main(function)
            return
        done = threading.Event()

        def run() -> None:
            function()
            done.set()

        super().run_on_main(run)
        done.wait(60)


@mistake("run-on-main", words="out of order")
class RunOnMainForgetsTheOrder(ReferenceHost):
    def __init__(self) -> None:
        super().__init__()
        self._stack: list[Callable[[], None]] = []

    def run_on_main(self, function: Callable[[], None]) -> None:
        self._stack.append(function)
        super().run_on_main(lambda: self._stack.pop()())


@mistake("main-thread-rule", words="show_notice was called on the thread 'saver'")
class CallsFromAWorkerThread(ReferenceHost):
    def write_result(self, result: Result) -> None:
        super().write_result(result)
        notice = Notice("Saved.")
        saver = threading.Thread(target=lambda: self.show_notice(notice), name="saver")
        saver.start()
        saver.join()

    def _check_thread(self) -> None:
        """Most programs do not check: they crash, some day."""


# Jobs


@mistake("cancel-running", words="cancelling is ignored")
class CancelIgnored(MutantRig):
    """The panel's button is wired to nothing."""

    def cancel(self, task: Task) -> None:
        pass


@mistake("cancel-running", words="left something in the picture")
class PreviewStaysAfterCancel(ReferenceHost):
    """Previews are a layer, left out when it is read, replaced by the result; nobody thought of cancel."""

    def show_preview(self, document_id: str, preview: Preview, bounds: Bounds) -> None:
        document = self._document(document_id)
        others = tuple(node for node in document.layers if node.name != "preview")
        samples = np.full((bounds.height, bounds.width, 4), 200, np.uint8)
        layer = PaintLayer(name="preview", samples=samples, x=bounds.x, y=bounds.y)
        document.state = replace(document.state, layers=(layer, *others))

    def read_merged(self, document_id: str, bounds: Bounds) -> Image:
        document = self._document(document_id)
        others = tuple(node for node in document.layers if node.name != "preview")
        return image_of(merged(others, bounds, document.format.data_type), bounds, document.format)

    def write_result(self, result: Result) -> None:
        document = self.documents.get(result.document_id)
        if document is not None:
            others = tuple(node for node in document.layers if node.name != "preview")
            document.state = replace(document.state, layers=others)
        super().write_result(result)


@mistake("previews", words="a preview is in the picture that read_merged gives")
class PreviewIsRead(PreviewStaysAfterCancel):
    def show_progress(self, update: JobUpdate) -> None:
        super().show_progress(update)
        document = self.documents.get(update.origin.document_id)
        if document is not None and update.state is JobState.CANCELLED:
            others = tuple(node for node in document.layers if node.name != "preview")
            document.state = replace(document.state, layers=others)

    def read_merged(self, document_id: str, bounds: Bounds) -> Image:
        return ReferenceHost.read_merged(self, document_id, bounds)


@mistake("previews", words="a preview made an undo step")
class PreviewMakesUndoSteps(ReferenceHost):
    def show_preview(self, document_id: str, preview: Preview, bounds: Bounds) -> None:
        document = self._document(document_id)
        if not any(step.name == "Preview" for step in document.undo_steps):
            document.edit("Preview", document.state)

    def show_progress(self, update: JobUpdate) -> None:
        super().show_progress(update)
        document = self.documents.get(update.origin.document_id)
        if document is not None and update.state.is_final:
            document.undo_steps[:] = [step for step in document.undo_steps if step.name != "Preview"]


@mistake("host-restarted", words="ended as FAILED")
class HostContextKeptInTheAdapter(ReferenceHost):
    """What belongs into host_context stays in the object: after a restart it is gone."""

    def __init__(self) -> None:
        super().__init__()
        self._notes: dict[str, bytes] = {}

    def host_context(self, document_id: str) -> bytes:
        self._notes[document_id] = super().host_context(document_id)
        return b""

    def write_result(self, result: Result) -> None:
        if result.kind is ResultKind.LAYER and result.document_id in self.documents:
            result = replace(result, host_context=self._notes[result.document_id])
        super().write_result(result)


@mistake("document-painted", words="were not selected changed")
class PutsBackWhatItRead(ReferenceHost):
    """The result is composed over the pixels that were read when the job began."""

    def __init__(self) -> None:
        super().__init__()
        self._read: dict[tuple[str, Bounds], Image] = {}

    def read_merged(self, document_id: str, bounds: Bounds) -> Image:
        image = self._read[document_id, bounds] = super().read_merged(document_id, bounds)
        return image

    def write_result(self, result: Result) -> None:
        below = self._read.get((result.document_id, result.image.bounds))
        if below is not None:
            old = view_of(below)

            def composed(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
                return np.where(pixels[..., 3:] > 0, pixels, old)

            result = replace(result, image=changed(result.image, composed))
        super().write_result(result)


@mistake("document-cropped", words="made the cropped canvas grow again")
class UndoesTheCrop(ReferenceHost):
    """The canvas is made as large as it was when the job began."""

    def __init__(self) -> None:
        super().__init__()
        self._sizes: dict[str, tuple[int, int]] = {}

    def host_context(self, document_id: str) -> bytes:
        if document_id:
            canvas = self._document(document_id).canvas
            self._sizes[document_id] = (canvas.width, canvas.height)
        return super().host_context(document_id)

    def write_result(self, result: Result) -> None:
        super().write_result(result)
        if result.document_id in self._sizes:
            width, height = self._sizes[result.document_id]
            document = self._document(result.document_id)
            document.state = replace(document.state, width=width, height=height)


@mistake("layer-deleted", words="ended as FAILED")
class NeedsTheLayerBelow(ReferenceHost):
    def write_result(self, result: Result) -> None:
        document = self.documents.get(result.document_id)
        if document is not None and b"above" in result.host_context:
            above = result.host_context.decode().split('"')[3]
            if above and not any(node.layer_id == above for node in walk(document.layers)):
                raise HostError("The layer of this result is gone.")
        super().write_result(result)


@mistake("document-closed", words="ended as FAILED")
class ClosedDocumentIsAnError(ReferenceHost):
    """PlaceGone for reading and for ids that were never there, a plain error for one that was closed."""

    def __init__(self) -> None:
        super().__init__()
        self._closed: set[str] = set()

    def close(self, document_id: str) -> None:
        super().close(document_id)
        self._closed.add(document_id)

    def write_result(self, result: Result) -> None:
        if result.document_id in self._closed:
            raise HostError("This document was closed.")
        super().write_result(result)


# A daemon that comes late


@mistake("late-daemon-switched", words="went into the document that was opened later")
class WritesWhereTheCanvasWas(ReferenceHost):
    """What canvas() said last is "the" document; a panel asks for it all the time."""

    def canvas(self) -> Canvas:
        found = super().canvas()
        self._last = found.document_id
        return found

    def write_result(self, result: Result) -> None:
        if result.kind is ResultKind.LAYER and result.document_id in self.documents:
            result = replace(result, document_id=getattr(self, "_last", result.document_id))
        super().write_result(result)


@mistake("late-daemon-painted", words="the picture is not the one at the call")
class LendsTheProgramsMemory(MutantRig):
    """The adapter hands out views of the memory in which the program goes on painting."""

    class made(ReferenceHost):  # noqa: N801 - as MutantRig names it
        def __init__(self) -> None:
            super().__init__()
            self.lent: list[tuple[str, Bounds, bytearray]] = []

        def read_merged(self, document_id: str, bounds: Bounds) -> Image:
            image = super().read_merged(document_id, bounds)
            self.lent.append((document_id, bounds, bytearray(image.data)))
            return replace(image, data=self.lent[-1][2])

        def painted(self) -> None:
            for document_id, bounds, memory in self.lent:
                memory[:] = bytes(super().read_merged(document_id, bounds).data)

    host: made

    def paint(self, document_id: str, bounds: Bounds, color: Color) -> None:
        super().paint(document_id, bounds, color)
        self.host.painted()


# Leaks


@mistake("no-leaked-blobs", words="blobs .* still held")
class KeepsEveryResult(ReferenceHost):
    def __init__(self) -> None:
        super().__init__()
        self._history: list[Result] = []

    def write_result(self, result: Result) -> None:
        super().write_result(result)
        self._history.append(result)


@mistake("no-leaked-threads", words="threads more than before.*watcher")
class AThreadForEachResult(ReferenceHost):
    def __init__(self) -> None:
        super().__init__()
        self._end = threading.Event()

    def write_result(self, result: Result) -> None:
        super().write_result(result)
        threading.Thread(target=self._end.wait, args=(600,), name="watcher", daemon=True).start()


@mistake("no-leaked-descriptors", words="descriptors more than before")
class AFileForEachResult(ReferenceHost):
    def __init__(self) -> None:
        super().__init__()
        self._files: list[IO[bytes]] = []

    def write_result(self, result: Result) -> None:
        super().write_result(result)
        self._files.append(open(os.devnull, "rb"))  # noqa: SIM115, PTH123 - left open, which is the mistake
