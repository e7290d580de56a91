"""The contract between underpaint and a host program: what an adapter implements.

Every method is called on the host's main thread, unless it says otherwise. Methods raise
`underpaint.errors.HostError` (or a subclass) with a message for the user when the host refuses.

`canvas`, `host_context` and everything that reads are called inside the verb's own call, so that they mean
what the user sees at the click; nothing is read later. Whatever an image holds stays as it is.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from underpaint.types import Bounds, Image, JobUpdate, PixelFormat, Preview, Provenance


class Capability(enum.Enum):
    """What a host can do beyond the base; declared, never guessed."""

    SELECTION = "selection"
    LAYERS = "layers"
    MULTIPLE_DOCUMENTS = "multiple-documents"
    UNDO = "undo"
    PREVIEW = "preview"


@dataclass(frozen=True, slots=True)
class Canvas:
    """A document as the adapter sees it now."""

    document_id: str
    """Stable as long as the document is open, better longer; at most 256 bytes."""
    width: int
    height: int
    result_format: PixelFormat
    """How results for this document shall lie in memory."""
    title: str = ""

    @property
    def bounds(self) -> Bounds:
        """The whole canvas."""
        return Bounds(0, 0, self.width, self.height)


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer that can be read."""

    layer_id: str
    name: str
    bounds: Bounds
    visible: bool = True
    locked: bool = False
    group: bool = False


class ResultKind(enum.Enum):
    """As what a picture enters the document."""

    LAYER = "layer"
    """Laid over the canvas; alpha 0 shows what is below."""
    TEXTURE = "texture"
    """A picture of its own."""
    EXPANDED = "expanded"
    """Made for hosts without layers only: what lies around the canvas, and hangs over it. With the canvas it
    becomes a larger picture of its own."""


@dataclass(frozen=True, slots=True)
class Result:
    """A finished picture on its way into a document."""

    image: Image
    """In the canvas's `result_format`, placed in canvas coordinates; may hang over the canvas."""
    kind: ResultKind
    name: str
    """For the layer list: the prompt, shortened."""
    document_id: str
    host_context: bytes = b""
    """What `HostAdapter.host_context` gave when the job was submitted."""
    provenance: Provenance | None = None
    """How it was made. Where the program's documents hold notes, keep it there with
    `underpaint.host.remembered`; None where the daemon did not say."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell the user. `problem` is set for errors; both are whole sentences."""

    text: str
    problem: bool = False


class HostAdapter(ABC):
    """One host program. An instance lives on the host's main thread, as long as the plug-in does."""

    name: str = ""
    """Kebab-case, for example "krita"; part of the client id."""
    version: str = ""
    """Version of the host program."""
    capabilities: frozenset[Capability] = frozenset()

    @abstractmethod
    def canvas(self) -> Canvas:
        """The active document. Raises `NoDocument` if there is none."""

    @abstractmethod
    def read_merged(self, document_id: str, bounds: Bounds) -> Image:
        """The visible picture within `bounds` (inside the canvas), as it lies in the host.

        Returns an image of exactly these bounds, in any `PixelFormat`. Holds the main thread: copy, do not
        convert. Raises `PlaceGone` if the document is closed.
        """

    def list_layers(self, document_id: str) -> Sequence[Layer]:
        """Layers from top to bottom. Needs `Capability.LAYERS`."""
        return ()

    def read_layer(self, document_id: str, layer_id: str, bounds: Bounds) -> Image:
        """One layer's own pixels within `bounds` (canvas coordinates), transparent where it has none.

        Needs `Capability.LAYERS`. Raises `PlaceGone` if document or layer is gone.
        """
        raise NotImplementedError(f"{self.name} declares no layers")

    def selection_bounds(self, document_id: str) -> Bounds | None:
        """Tight bounds of the selection, inside the canvas; None if nothing is selected.

        Needs `Capability.SELECTION`.
        """
        return None

    def read_selection(self, document_id: str, bounds: Bounds) -> Image:
        """Coverage of the selection within `bounds`: `Channels.GRAY`, `ColorSpace.DATA`, 1 = selected.

        Needs `Capability.SELECTION`; called only while `selection_bounds` gives some.
        """
        raise NotImplementedError(f"{self.name} declares no selection")

    def host_context(self, document_id: str) -> bytes:
        """Notes for `write_result`, for example the layer above which the result belongs; at most 64 KiB."""
        return b""

    @abstractmethod
    def write_result(self, result: Result) -> None:
        """Brings a picture into its document as exactly one undo step.

        Raises `PlaceGone` if the document is gone: the result is then kept with its job.
        """

    def write_results(self, results: Sequence[Result], title: str) -> None:
        """Brings pictures that belong together into their document, such as the maps of a material.

        One undo step for all of them, where the program can; one each, unless an adapter says better.
        `title` names them together, for a group of layers or the undo history.
        """
        for result in results:
            self.write_result(result)

    @abstractmethod
    def run_on_main(self, function: Callable[[], None]) -> None:
        """Runs `function` soon on the main thread, in order. Called from any thread; returns at once."""

    def show_progress(self, update: JobUpdate) -> None:  # noqa: B027 - optional
        """Shows how far a job is."""

    def show_preview(  # noqa: B027 - optional
        self, document_id: str, preview: Preview, bounds: Bounds
    ) -> None:
        """Shows a rough picture where the result will be. Needs `Capability.PREVIEW`."""

    @abstractmethod
    def show_notice(self, notice: Notice) -> None:
        """Tells the user something, without a modal window."""
