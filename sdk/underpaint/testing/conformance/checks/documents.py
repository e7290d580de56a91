"""Documents as the adapter describes them."""

from __future__ import annotations

from underpaint.errors import NoDocument, PlaceGone, UnderpaintError
from underpaint.testing.conformance.check import check, expect
from underpaint.testing.conformance.rig import Unsupported
from underpaint.testing.conformance.stage import SMALL, Stage
from underpaint.types import Bounds

_MAX_ID = 256
_MAX_CONTEXT = 65536


@check(
    "document-described",
    "canvas() describes the active document: its id, its size in pixels, how results shall lie.",
    advice="Return the width and height of the canvas, not of a layer or the window; document_id is a string "
    "of at most 256 bytes that stays the same while the document is open.",
)
def document_described(stage: Stage) -> None:
    """Twice, since the id must stay."""
    document = stage.open_painted(canvas=Bounds(0, 0, 61, 43))
    canvas = stage.adapter.canvas()
    expect(
        (canvas.width, canvas.height) == (61, 43),
        f"a canvas of 61x43 pixels is described as {canvas.width}x{canvas.height}",
    )
    expect(canvas.document_id, "document_id is empty")
    expect(
        len(canvas.document_id.encode()) <= _MAX_ID,
        f"document_id has {len(canvas.document_id.encode())} bytes, at most {_MAX_ID} are allowed",
    )
    again = stage.adapter.canvas().document_id
    expect(again == canvas.document_id, f"document_id was {canvas.document_id!r} and is now {again!r}")
    expect(
        document == canvas.document_id,
        f"Rig.open gave the id {document!r}, canvas() gives {canvas.document_id!r}",
    )


@check(
    "no-document",
    "Where no document is open, canvas() raises NoDocument with a sentence for the user.",
    advice="Raise underpaint.errors.NoDocument and say what to do: open or create a document first.",
)
def no_document(stage: Stage) -> None:
    """A fresh rig has none open."""
    if stage.rig.always_open:
        raise Unsupported("the rig says that this program always has a document")
    try:
        found = stage.adapter.canvas()
    except NoDocument as error:
        expect(len(error.message) > 10, f"the message {error.message!r} does not tell the user what to do")
    except UnderpaintError as error:
        expect(False, f"canvas() raised {type(error).__name__} instead of NoDocument")
    else:
        expect(False, f"canvas() described {found.document_id!r} though nothing is open")


@check(
    "place-gone",
    "A document that is not open raises PlaceGone, for reading and for writing; nothing is written "
    "elsewhere.",
    advice="Look the document up by its id every time, never take the active one; raise PlaceGone if it is "
    "not "
    "among the open ones. The result is then kept with its job, and found again later.",
    rests_on=("document-described",),
)
def place_gone(stage: Stage) -> None:
    """An id that nothing has, while another document is active."""
    document = stage.open_painted()
    before = stage.seen(document)
    gone = "conformance-no-such-document"
    for what in ("read_merged", "write_result"):
        try:
            if what == "read_merged":
                stage.adapter.read_merged(gone, Bounds(0, 0, 8, 8))
            else:
                stage.adapter.write_result(stage.result(gone, Bounds(4, 4, 16, 12), _red, context=b""))
        except PlaceGone:
            pass
        else:
            stage.expect_seen(document, before, f"{what} of an unknown document changed the active one")
            expect(False, f"{what} of an unknown document raised nothing, PlaceGone was due")
    stage.expect_seen(document, before, "write_result raised PlaceGone and changed the active document")


@check(
    "empty-document",
    "A document without layers is described, read as it is seen, and takes a result.",
    advice="Return transparent pixels where nothing is; do not assume an active layer.",
    rests_on=("document-described",),
)
def empty_document(stage: Stage) -> None:
    """Nothing there but the canvas."""
    document = stage.open()
    found = stage.merged(document, SMALL)
    expect(
        all(pixel[3] == 0 for pixel in found) or found == stage.seen(document),
        "read_merged of a document without layers gives something that is not seen",
    )
    expect(not stage.adapter.list_layers(document), "list_layers names layers of a document that has none")
    place = Bounds(10, 8, 16, 12)
    stage.adapter.write_result(stage.result(document, place, _red))
    middle = stage.seen(document, Bounds(place.x + 8, place.y + 6, 1, 1))[0]
    expect(middle[3] > 0.99 and middle[0] > 0.5, "a result written into an empty document is not seen")


@check(
    "host-context",
    "host_context() is at most 64 KiB; write_result takes it back, an empty one, and one that it cannot "
    "read.",
    advice="Put what write_result needs (a layer's id) into host_context, as bytes, and treat what you "
    "cannot "
    "read, of an older version for example, as if it were empty: lay the result on top of all.",
    rests_on=("document-described",),
)
def host_context(stage: Stage) -> None:
    """As a plug-in of yesterday's version wrote it."""
    document = stage.open_painted()
    context = stage.adapter.host_context(document)
    expect(isinstance(context, bytes), f"host_context() gave {type(context).__name__}, not bytes")
    expect(len(context) <= _MAX_CONTEXT, f"host_context() gave {len(context)} bytes, more than 64 KiB")
    expect(
        isinstance(stage.adapter.host_context(""), bytes), "host_context('') is for results of no document"
    )
    for number, foreign in enumerate((context, b"", b"\xff\x00 other", b'{"of": "another version"}')):
        place = Bounds(2 + 13 * number, 4, 11, 9)
        before = stage.seen(document, place)
        try:
            stage.adapter.write_result(stage.result(document, place, _red, context=foreign))
        except PlaceGone as gone:
            expect(False, f"with the host_context {foreign[:40]!r} the result was not placed: {gone}")
        expect(stage.seen(document, place) != before, f"not seen with the host_context {foreign[:40]!r}")


def _red(x: int, y: int) -> tuple[float, float, float, float]:
    return (220 / 255, 30 / 255, (x + y) % 256 / 255, 1.0)
