"""The reference host's own promises; the contract's are the conformance suite's."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from underpaint.errors import HostError, NoDocument, NothingSelected, PlaceGone, WrongThread
from underpaint.host import Capability, Notice, Result, ResultKind
from underpaint.testing.reference import Document, Group, PaintLayer, ReferenceHost, Selection
from underpaint.testing.reference.layers import walk
from underpaint.types import (
    Alpha,
    Bounds,
    Channels,
    DataType,
    Image,
    JobState,
    JobUpdate,
    PixelFormat,
    Preview,
)

RED = np.full((2, 3, 4), (255, 0, 0, 255), np.uint8)


@pytest.fixture
def host() -> ReferenceHost:
    return ReferenceHost()


@pytest.fixture
def document(host: ReferenceHost) -> Document:
    """top, group(inner), ground; inner is active."""
    inner = PaintLayer(name="inner", samples=RED, x=4, y=5)
    layers = (
        PaintLayer(name="top", samples=RED, x=-1, visible=False, locked=True),
        Group(name="group", layers=(inner,)),
        PaintLayer(name="ground", samples=np.full((8, 10, 4), 9, np.uint8)),
    )
    made = host.open(Document(10, 8, layers=layers, title="barn"))
    made.active = inner.layer_id
    return made


def result(document_id: str, context: bytes = b"", **more: object) -> Result:
    image = Image(3, 2, RED.tobytes(), x=1, y=2)
    given = {"image": image, "kind": ResultKind.LAYER, "name": "barn", **more}
    return Result(document_id=document_id, host_context=context, **given)  # type: ignore[arg-type]


def names(document: Document) -> list[str]:
    return [node.name for node in walk(document.layers)]


def test_it_declares_every_capability(host: ReferenceHost) -> None:
    assert host.capabilities == frozenset(Capability)


def test_layers_are_listed_as_they_stand(host: ReferenceHost, document: Document) -> None:
    found = host.list_layers(document.document_id)
    assert [(layer.name, layer.bounds, layer.visible, layer.locked, layer.group) for layer in found] == [
        ("top", Bounds(-1, 0, 3, 2), False, True, False),
        ("group", Bounds(4, 5, 3, 2), True, False, True),
        ("inner", Bounds(4, 5, 3, 2), True, False, False),
        ("ground", Bounds(0, 0, 10, 8), True, False, False),
    ]
    group = host.read_layer(document.document_id, found[1].layer_id, Bounds(4, 5, 1, 1))
    assert bytes(group.data) == bytes(RED[0, 0])


def test_a_result_is_one_undo_step_above_the_layer_that_was_active_at_the_start(
    host: ReferenceHost, document: Document
) -> None:
    context = host.host_context(document.document_id)
    active = document.active = document.layers[0].layer_id
    before = document.state
    host.write_result(result(document.document_id, context))
    assert names(document) == ["top", "group", "barn", "inner", "ground"]
    assert (len(document.undo_steps), document.active) == (1, active)
    assert document.undo() == "Underpaint: barn"
    assert document.state is before
    document.redo()
    assert names(document) == ["top", "group", "barn", "inner", "ground"]


@pytest.mark.parametrize("context", [b"", b"\xff", b"[]", b'{"above": 3}', b'{"version": 9}'])
def test_notes_that_cannot_be_read_put_the_result_on_top(
    host: ReferenceHost, document: Document, context: bytes
) -> None:
    host.write_result(result(document.document_id, context))
    assert names(document)[0] == "barn"


def test_a_result_is_copied_row_by_row_out_of_memory_that_goes_away(
    host: ReferenceHost, document: Document
) -> None:
    lent = bytearray(b"".join(row.tobytes() + b"gap!" for row in RED))
    image = Image(3, 2, lent, x=1, y=2, stride=16)
    host.write_result(result(document.document_id, image=image))
    lent[:] = bytes(len(lent))
    layer = document.layers[0]
    assert isinstance(layer, PaintLayer)
    assert np.array_equal(layer.samples, RED)


def test_a_result_in_another_format_is_refused_not_reinterpreted(
    host: ReferenceHost, document: Document
) -> None:
    deep = Image(1, 1, bytes(8), PixelFormat(data_type=DataType.U16))
    with pytest.raises(HostError, match="u16"):
        host.write_result(result(document.document_id, image=deep))
    bgr = Image(1, 1, bytes(3), PixelFormat(Channels.BGR, alpha=Alpha.NONE))
    with pytest.raises(HostError, match="RGBA"):
        host.write_result(result("", image=bgr, kind=ResultKind.TEXTURE))
    assert document.undo_steps == []


def test_a_texture_is_a_document_of_its_own(host: ReferenceHost) -> None:
    host.write_result(result("", kind=ResultKind.TEXTURE))
    made = host.active_document
    assert (made.canvas, made.title, names(made)) == (Bounds(0, 0, 3, 2), "barn", ["barn"])


def test_what_is_gone_is_said_to_be_gone(host: ReferenceHost, document: Document) -> None:
    name = document.document_id
    with pytest.raises(PlaceGone, match="layer"):
        host.read_layer(name, "nobody", Bounds(0, 0, 1, 1))
    with pytest.raises(NothingSelected, match="select"):
        host.read_selection(name, Bounds(0, 0, 1, 1))
    with pytest.raises(HostError, match="hangs over"):
        host.read_merged(name, Bounds(0, 0, 11, 1))
    host.close(name)
    with pytest.raises(PlaceGone, match="closed"):
        host.write_result(result(name))
    with pytest.raises(NoDocument, match="open"):
        host.canvas()


def test_closing_goes_back_to_the_document_opened_before(host: ReferenceHost) -> None:
    first, second = (host.open(Document(1, 1)) for _ in range(2))
    host.close(second.document_id)
    assert host.active_document is first


def test_a_soft_selection_is_read_as_it_is(host: ReferenceHost, document: Document) -> None:
    document.select(Selection(8, -1, np.array([[9, 9], [0, 50], [0, 100]], np.uint8)))
    assert host.selection_bounds(document.document_id) == Bounds(9, 0, 1, 2)
    found = host.read_selection(document.document_id, Bounds(8, 0, 2, 2))
    assert list(bytes(found.data)) == [0, 50, 0, 100]


def test_a_preview_is_shown_and_gone_at_the_end(host: ReferenceHost, document: Document) -> None:
    name = document.document_id
    before = bytes(host.read_merged(name, document.canvas).data)
    for ending in (lambda: host.write_result(result(name)), lambda: host.close(name)):
        host.show_preview(name, Preview(1, 1, 1, b"abc"), Bounds(0, 0, 4, 4))
        assert set(host.previews) == {name}
        assert bytes(host.read_merged(name, document.canvas).data) == before or names(document)[0] == "barn"
        ending()
        assert host.previews == {}
    host.show_preview(name, Preview(1, 1, 1, b"abc"), Bounds(0, 0, 4, 4))
    assert host.previews == {}, "of a closed document"


def test_the_contract_is_refused_off_the_main_thread(host: ReferenceHost, document: Document) -> None:
    name, place = document.document_id, Bounds(0, 0, 1, 1)
    update = JobUpdate("jobs/1", JobState.RUNNING, 1)
    calls = {
        "canvas": host.canvas,
        "read_merged": lambda: host.read_merged(name, place),
        "list_layers": lambda: host.list_layers(name),
        "read_layer": lambda: host.read_layer(name, "x", place),
        "selection_bounds": lambda: host.selection_bounds(name),
        "read_selection": lambda: host.read_selection(name, place),
        "host_context": lambda: host.host_context(name),
        "write_result": lambda: host.write_result(result(name)),
        "write_texture": lambda: host.write_result(result("", kind=ResultKind.TEXTURE)),
        "show_progress": lambda: host.show_progress(update),
        "show_preview": lambda: host.show_preview(name, Preview(1, 1, 1, b"abc"), place),
        "show_notice": lambda: host.show_notice(Notice("hello")),
    }
    refused: list[str] = []

    def stray() -> None:
        for called, call in calls.items():
            try:
                call()
            except WrongThread:
                refused.append(called)

    thread = threading.Thread(target=stray)
    thread.start()
    thread.join()
    assert refused == list(calls)
    ran: list[int] = []
    threading.Thread(target=lambda: host.run_on_main(lambda: ran.append(threading.get_ident()))).start()
    assert host.queue.pump_until(lambda: bool(ran), 5)
    assert ran == [threading.get_ident()]
