"""The document: edits, undo and redo, and places in the tree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.testing.reference.trees import documents, layers
from underpaint.errors import HostError
from underpaint.testing.reference.document import Document, State
from underpaint.testing.reference.layers import NOWHERE, Group, Node, PaintLayer, new_id, walk
from underpaint.testing.reference.selection import Selection
from underpaint.types import Bounds, DataType


def sheet(name: str, x: int = 0, y: int = 0, width: int = 4, height: int = 3, **more: object) -> PaintLayer:
    samples = np.full((height, width, 4), 200, np.uint8)
    return PaintLayer(name=name, samples=samples, x=x, y=y, **more)  # type: ignore[arg-type]


def names(document: Document) -> list[str]:
    return [node.name for node in walk(document.layers)]


@settings(max_examples=30)
@given(
    documents(), layers(DataType.U8), st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), max_size=6)
)
def test_undo_and_redo_bring_back_the_very_same_states(
    document: Document, node: Node, edits: list[tuple[int, int]]
) -> None:
    states = [document.state]
    for kind, place in edits:
        nodes = list(walk(document.layers))
        target = nodes[place % len(nodes)] if nodes else None
        if kind == 0 and document.format.data_type is DataType.U8:
            document.add(replace(node, layer_id=new_id()), above=target.layer_id if target else "")
        elif kind == 1 and target is not None and not target.locked:
            document.remove(target.layer_id)
        elif kind == 2 and target is not None:
            document.change(target.layer_id, lambda found: replace(found, visible=not found.visible))
        elif kind == 3:
            document.select(Selection.rectangle(Bounds(place, 2, 3, 4)))
        else:
            document.crop(Bounds(-1, place, 7, 9))
        states.append(document.state)
    for state in reversed(states[:-1]):
        document.undo()
        assert document.state is state
    for state in states[1:]:
        document.redo()
        assert document.state is state


def test_an_edit_after_undo_forgets_what_was_undone() -> None:
    document = Document(8, 8)
    document.add(sheet("a"))
    assert document.undo() == "Add a"
    document.add(sheet("b"))
    with pytest.raises(HostError, match="nothing to redo"):
        document.redo()
    assert (names(document), len(document.undo_steps)) == (["b"], 1)


def test_a_new_document_has_nothing_to_undo() -> None:
    with pytest.raises(HostError, match="nothing to undo"):
        Document(8, 8, layers=(sheet("a"),)).undo()


def test_samples_cannot_be_painted_on_behind_the_historys_back() -> None:
    layer = sheet("a")
    with pytest.raises(ValueError, match="read-only"):
        layer.samples[0, 0] = 0


def nested() -> tuple[Document, dict[str, str]]:
    """top, group(inner, locked group(deep)), bottom."""
    deep = Group(name="safe", layers=(sheet("deep"),), locked=True)
    group = Group(name="group", layers=(sheet("inner"), deep))
    document = Document(8, 8, layers=(sheet("top"), group, sheet("bottom")))
    return document, {node.name: node.layer_id for node in walk(document.layers)}


@pytest.mark.parametrize(
    ("above", "order"),
    [
        ("top", "NEW top group inner safe deep bottom"),
        ("bottom", "top group inner safe deep NEW bottom"),
        ("inner", "top group NEW inner safe deep bottom"),
        ("group", "top NEW group inner safe deep bottom"),
        ("deep", "top group inner NEW safe deep bottom"),
        ("gone", "NEW top group inner safe deep bottom"),
    ],
)
def test_a_layer_goes_above_another_in_its_group_and_never_into_a_locked_one(above: str, order: str) -> None:
    document, ids = nested()
    document.add(sheet("NEW"), above=ids.get(above, above))
    assert " ".join(names(document)) == order
    document.undo()
    assert names(document) == names(nested()[0])


def test_layers_that_an_edit_does_not_touch_are_shared_with_the_history() -> None:
    document, ids = nested()
    group = document.find(ids["group"])
    document.change(ids["top"], lambda node: replace(node, name="other"))
    assert document.find(ids["group"]) is group
    assert document.layers[2] is document.undo_steps[-1].state.layers[2]


def test_locked_and_missing_layers_are_not_deleted() -> None:
    document, ids = nested()
    with pytest.raises(HostError, match="unlock it"):
        document.remove(ids["safe"])
    document.remove(ids["inner"])
    assert "inner" not in names(document)
    with pytest.raises(HostError, match="choose another"):
        document.remove(ids["inner"])


def test_cropping_moves_layers_and_selection_and_keeps_their_pixels() -> None:
    layer = sheet("a", x=5, y=6)
    document = Document(20, 20, layers=(Group(name="g", layers=(layer,)),))
    document.select(Selection.rectangle(Bounds(7, 8, 2, 2)))
    document.crop(Bounds(4, 6, 10, 9))
    moved = document.find(layer.layer_id)
    assert isinstance(moved, PaintLayer)
    assert (document.canvas, moved.bounds) == (Bounds(0, 0, 10, 9), Bounds(1, 0, 4, 3))
    assert moved.samples is layer.samples
    assert document.selection is not None
    assert document.selection.tight(document.canvas) == Bounds(3, 2, 2, 2)


@pytest.mark.parametrize(
    ("place", "tight"),
    [
        (Bounds(2, 3, 4, 5), Bounds(2, 3, 4, 5)),
        (Bounds(-2, -3, 4, 5), Bounds(0, 0, 2, 2)),
        (Bounds(8, 8, 9, 9), Bounds(8, 8, 2, 2)),
        (Bounds(30, 0, 4, 4), None),
        (Bounds(0, 0, 0, 0), None),
    ],
)
def test_a_selections_bounds_are_tight_and_on_the_canvas(place: Bounds, tight: Bounds | None) -> None:
    assert Selection.rectangle(place, 1).tight(Bounds(0, 0, 10, 10)) == tight


def test_what_is_selected_by_nothing_has_no_bounds() -> None:
    assert Selection.rectangle(Bounds(0, 0, 5, 5), 0).tight(Bounds(0, 0, 10, 10)) is None


def test_a_groups_bounds_are_around_what_is_in_it() -> None:
    group = Group(name="g", layers=(sheet("a", x=-3), sheet("b", x=9, y=4), Group(name="empty")))
    assert group.bounds == Bounds(-3, 0, 16, 7)
    assert Group(name="empty").bounds == NOWHERE


def test_a_document_refuses_what_is_not_its_own() -> None:
    deep = PaintLayer(name="deep", samples=np.zeros((2, 2, 4), np.uint16))
    document = Document(4, 4)
    with pytest.raises(ValueError, match="uint16"):
        document.edit("mixed", State(4, 4, (deep,)))
    assert Document(4, 4, data_type=DataType.U16, layers=(deep,)).layers == (deep,)
    with pytest.raises(ValueError, match="at least one pixel"):
        Document(0, 4)
    with pytest.raises(ValueError, match="height, width, 4"):
        PaintLayer(name="grey", samples=np.zeros((2, 2), np.uint8))


def test_ids_are_never_used_twice() -> None:
    made: list[Node] = [sheet("a"), sheet("a"), Group(name="a")]
    assert len({node.layer_id for node in made}) == len(made)
