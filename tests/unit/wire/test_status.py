"""Errors travel whole."""

from __future__ import annotations

import pytest
from google.protobuf import any_pb2
from hypothesis import given
from hypothesis import strategies as st

from underpaint import errors
from underpaint.v1 import error_reason_pb2, status_pb2
from underpaint.wire.status import DOMAIN, ERROR_INFO_URL, error_to_status, grpc_code_for, status_to_error

REASONS = [
    name.removeprefix("ERROR_REASON_")
    for name, number in error_reason_pb2.ErrorReason.items()
    if number != error_reason_pb2.ERROR_REASON_UNSPECIFIED
]
TEXT = st.text(max_size=40)


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_of_the_protocol_has_its_class_and_its_code(reason: str) -> None:
    error = status_to_error(error_to_status(errors.for_reason(reason, "do this")))
    assert type(error) is not errors.UnderpaintError
    assert error.reason == reason
    assert error.message == "do this"
    assert grpc_code_for(reason) != 2


@given(
    reason=st.sampled_from(REASONS),
    message=TEXT,
    metadata=st.dictionaries(TEXT, TEXT, max_size=4),
    violations=st.lists(st.builds(errors.Violation, TEXT, TEXT), max_size=4),
)
def test_an_error_is_the_same_after_the_journey(
    reason: str, message: str, metadata: dict[str, str], violations: list[errors.Violation]
) -> None:
    sent = errors.for_reason(reason, message, metadata=metadata, violations=violations)
    arrived = status_to_error(status_pb2.Status.FromString(error_to_status(sent).SerializeToString()))
    assert type(arrived) is type(sent)
    assert (arrived.message, arrived.metadata) == (message, metadata)
    assert arrived.violations == tuple(violations)


def test_a_reason_of_a_newer_daemon_is_kept_on_the_way_through() -> None:
    info = status_pb2.ErrorInfo(reason="MOON_PHASE", domain=DOMAIN, metadata={"phase": "new"})
    status = status_pb2.Status(code=9, message="wait")
    status.details.add(type_url=ERROR_INFO_URL, value=info.SerializeToString())
    error = status_to_error(status)
    assert type(error) is errors.UnderpaintError
    assert error.metadata == {"phase": "new", "reason": "MOON_PHASE"}
    again = status_to_error(error_to_status(error))
    assert (again.message, again.metadata) == (error.message, error.metadata)


def test_anothers_details_are_not_taken_for_ours() -> None:
    info = status_pb2.ErrorInfo(reason="MODEL_NOT_FOUND", domain="example.org")
    status = status_pb2.Status(code=14, message="proxy says no")
    status.details.append(any_pb2.Any(type_url=ERROR_INFO_URL, value=info.SerializeToString()))
    status.details.add(type_url="type.googleapis.com/google.rpc.RetryInfo", value=b"")
    assert type(status_to_error(status)) is errors.UnderpaintError


def test_a_bare_unauthenticated_is_a_refused_token() -> None:
    assert isinstance(status_to_error(status_pb2.Status(code=16, message="no")), errors.TokenRefused)
