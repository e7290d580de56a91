"""The exception tree and its reasons."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from underpaint import errors
from underpaint.errors import UnderpaintError, Violation, for_reason
from underpaint.v1 import error_reason_pb2

CLASSES = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, UnderpaintError) and kind is not UnderpaintError
]
REASONS = [
    name.removeprefix("ERROR_REASON_")
    for name in error_reason_pb2.ErrorReason.keys()  # noqa: SIM118 - no mapping
    if name != "ERROR_REASON_UNSPECIFIED"
]


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_of_the_protocol_becomes_a_class_of_its_own(reason: str) -> None:
    error = for_reason(reason, "what to do", metadata={"a": "b"}, violations=[Violation("x", "y")])
    assert type(error) is not UnderpaintError
    assert error.reason == reason
    assert (str(error), error.metadata, error.violations) == ("what to do", {"a": "b"}, (("x", "y"),))


def test_a_reason_of_a_newer_daemon_is_kept_for_programs() -> None:
    error = for_reason("FROM_THE_FUTURE", "update the client")
    assert type(error) is UnderpaintError
    assert error.metadata["reason"] == "FROM_THE_FUTURE"


@pytest.mark.parametrize("kind", CLASSES)
def test_every_class_stands_in_the_tree_on_top_of_the_module(kind: type[UnderpaintError]) -> None:
    assert re.search(rf"[├└]── {kind.__name__}\b", errors.__doc__ or "")


def test_every_reason_is_documented_with_its_code_in_the_protocol() -> None:
    root = Path(__file__).parents[2]
    text = (root / "proto/underpaint/v1/error_reason.proto").read_text("utf-8")
    for reason in REASONS:
        assert re.search(rf"// [A-Z_]+[ .,{{][^\n]*\n  ERROR_REASON_{reason} = ", text), reason
