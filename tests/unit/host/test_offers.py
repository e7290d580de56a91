"""What panels show of plug-ins' verbs, and how these are started."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

import underpaint
from tests.support.recording import RecordingHost
from underpaint.errors import HostError, InvalidRequest, NothingSelected, PluginFailed
from underpaint.hookspecs import Verb
from underpaint.host import Session, Settings, Task, TaskState, fields_of, missing, start_verb, tooltip_of
from underpaint.testing.reference import Document, Selection
from underpaint.types import Bounds, Parameter


@pytest.fixture
def session(host: RecordingHost, daemon: object) -> Iterator[Session]:
    made = Session(host, lambda: underpaint.connect(start=False), client="paper-test")
    yield made
    made.close()


def verb(start: Any = None, **more: Any) -> Verb:
    return Verb(name="wear", title="Wear down", start=start or fill, texts=("prompt",), **more)


def fill(session: Session, values: Mapping[str, float | str]) -> Task:
    return session.fill(f"worn {values['prompt']}", session.settings)


NEEDS = {
    "nothing": frozenset[str](),
    "document": frozenset({"document"}),
    "selection": frozenset({"selection"}),
    "layers": frozenset({"layers"}),
}


@pytest.mark.parametrize("needs", NEEDS.values(), ids=NEEDS)
def test_a_verb_that_needs_a_document_says_so_while_none_is_open(
    needs: frozenset[str], host: RecordingHost
) -> None:
    reason = missing(verb(needs=needs), host)
    assert ("No document is open" in reason) == bool(needs)


def test_what_the_document_lacks_is_said(host: RecordingHost) -> None:
    document = host.open(Document(64, 64))
    assert missing(verb(needs=NEEDS["document"]), host) == ""
    assert "Nothing is selected" in missing(verb(needs=NEEDS["selection"]), host)
    assert "has no layers" in missing(verb(needs=NEEDS["layers"]), host)
    document.select(Selection.rectangle(Bounds(1, 1, 9, 9)))
    assert missing(verb(needs=NEEDS["selection"]), host) == ""
    host.new("painted", 32, 32)
    assert missing(verb(needs=NEEDS["layers"]), host) == ""


def test_a_host_may_look_for_a_selection_in_a_cheaper_way(
    host: RecordingHost, paper: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dear(document_id: str) -> None:
        raise AssertionError("asked for the bounds")

    monkeypatch.setattr(host, "selection_bounds", dear)
    needs = frozenset({"selection"})
    assert missing(verb(needs=needs), host, selected=lambda: True) == ""
    assert "Nothing is selected" in missing(verb(needs=needs), host, selected=lambda: False)


def test_a_tooltip_is_the_description_or_else_the_title() -> None:
    assert tooltip_of(verb(description="Makes it old.")) == "Makes it old."
    assert tooltip_of(verb()) == "Wear down"
    older: Any = SimpleNamespace(title="Of an older version")
    assert tooltip_of(older) == "Of an older version"


def test_the_prompt_has_its_field_already() -> None:
    made = Verb(name="v", title="V", start=fill, texts=("prompt", "how", "where"))
    assert fields_of(made) == ("how", "where")


def test_a_verb_gets_its_values_and_what_the_panel_has_chosen(
    session: Session, host: RecordingHost, paper: Document
) -> None:
    session.settings = Settings(seed=11, steps=3)
    done: list[Task] = []
    task = start_verb(session, verb(), {"prompt": "moss"}, on_done=done.append)
    host.finish(task)
    assert (task.state, done) == (TaskState.PLACED, [task])
    assert task.update is not None
    assert (task.update.resolved["prompt"], task.update.resolved["seed"]) == ("worn moss", 11)


def test_the_verbs_own_last_word_comes_before_the_panels(
    session: Session, host: RecordingHost, paper: Document
) -> None:
    said: list[str] = []

    def start(session: Session, values: Mapping[str, float | str]) -> Task:
        return session.fill("moss", on_done=lambda task: said.append("verb"))

    host.finish(start_verb(session, verb(start), {}, on_done=lambda task: said.append("panel")))
    assert said == ["verb", "panel"]


def refuses(session: Session, values: Mapping[str, float | str]) -> Task:
    raise NothingSelected("Select something first.")


class ForeignRefusal(Exception):
    """An error of another copy of underpaint: the same attributes, another class."""

    def __init__(self) -> None:
        super().__init__("Select something first.")
        self.message = "Select something first."


def refuses_in_another_copy(session: Session, values: Mapping[str, float | str]) -> Task:
    raise ForeignRefusal


def falls_over(session: Session, values: Mapping[str, float | str]) -> Task:
    return values["no such value"]  # type: ignore[return-value]


def starts_nothing(session: Session, values: Mapping[str, float | str]) -> Task:
    return None  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("start", "error", "said"),
    [
        (refuses, NothingSelected, "Select something first."),
        (refuses_in_another_copy, PluginFailed, "Select something first."),
        (falls_over, PluginFailed, "Wear down is broken: KeyError"),
        (starts_nothing, PluginFailed, "Wear down is broken: it started no task"),
    ],
)
def test_whatever_a_verb_raises_is_a_sentence_for_the_user(
    start: Any, error: type[HostError], said: str, session: Session, host: RecordingHost
) -> None:
    with pytest.raises(error) as raised:
        start_verb(session, verb(start), {"prompt": "moss"})
    assert raised.value.message.startswith(said)


def test_values_out_of_range_are_refused_before_it_starts(session: Session, host: RecordingHost) -> None:
    number = Parameter(name="wear", default=0.5, minimum=0.1, maximum=1.0)
    with pytest.raises(InvalidRequest, match=r"wear must be 0\.1 to 1"):
        start_verb(session, verb(refuses, numbers=(number,)), {"wear": 2.0})
