"""Exceptions as google.rpc.Status on the wire, and back.

The messages are private twins of Google's (see status.proto); only their type URLs are Google's, so that
any other gRPC client reads the details too.
"""

from __future__ import annotations

from typing import Final

from underpaint.errors import JobCancelled, TokenRefused, UnderpaintError, Violation, for_reason
from underpaint.v1 import status_pb2

DOMAIN: Final = "underpaint"
_PREFIX: Final = "type.googleapis.com/"
ERROR_INFO_URL: Final = _PREFIX + "google.rpc.ErrorInfo"
BAD_REQUEST_URL: Final = _PREFIX + "google.rpc.BadRequest"

_CANCELLED, _UNKNOWN, _UNAUTHENTICATED = 1, 2, 16
_INVALID_ARGUMENT, _NOT_FOUND, _ALREADY_EXISTS = 3, 5, 6
_PERMISSION_DENIED, _RESOURCE_EXHAUSTED, _FAILED_PRECONDITION, _INTERNAL, _UNAVAILABLE = 7, 8, 9, 13, 14

_CODES: Final[dict[str, int]] = {
    "INVALID_REQUEST": _INVALID_ARGUMENT,
    "TOKEN_REFUSED": _UNAUTHENTICATED,
    "PROTOCOL_UNSUPPORTED": _FAILED_PRECONDITION,
    "MODEL_NOT_FOUND": _NOT_FOUND,
    "MODEL_UNUSABLE": _FAILED_PRECONDITION,
    "OPERATION_UNSUPPORTED": _FAILED_PRECONDITION,
    "JOB_NOT_FOUND": _NOT_FOUND,
    "BLOB_NOT_FOUND": _NOT_FOUND,
    "BLOB_STATE": _FAILED_PRECONDITION,
    "STORAGE_FULL": _RESOURCE_EXHAUSTED,
    "LIMIT_EXCEEDED": _RESOURCE_EXHAUSTED,
    "OUT_OF_MEMORY": _RESOURCE_EXHAUSTED,
    "WORKER_LOST": _UNAVAILABLE,
    "ENGINE_MISSING": _UNAVAILABLE,
    "SHUTTING_DOWN": _UNAVAILABLE,
    "INTERNAL": _INTERNAL,
    "DAEMON_UNREACHABLE": _UNAVAILABLE,
    "JOB_CANCELLED": _CANCELLED,
    "REQUEST_ID_REUSED": _ALREADY_EXISTS,
    "NO_DOCUMENT": _FAILED_PRECONDITION,
    "NOTHING_SELECTED": _FAILED_PRECONDITION,
    "PLACE_GONE": _FAILED_PRECONDITION,
    "HOST_REFUSED": _FAILED_PRECONDITION,
    "CONTENT_REFUSED": _PERMISSION_DENIED,
    "PLUGIN_FAILED": _FAILED_PRECONDITION,
}


def grpc_code_for(reason: str) -> int:
    """The gRPC status code that comes with a reason; UNKNOWN for one that this version does not know."""
    return _CODES.get(reason, _UNKNOWN)


def error_to_status(error: UnderpaintError) -> status_pb2.Status:
    """An exception as it travels: one ErrorInfo always, a BadRequest where fields are at fault."""
    reason, metadata = error.reason, dict(error.metadata)
    if type(error) is UnderpaintError:
        # `for_reason` keeps the name of a reason from a newer peer here: pass it on unchanged.
        reason = metadata.pop("reason", reason)
    status = status_pb2.Status(code=grpc_code_for(reason), message=error.message)
    info = status_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata)
    status.details.add(type_url=ERROR_INFO_URL, value=info.SerializeToString(deterministic=True))
    if error.violations:
        bad = status_pb2.BadRequest()
        for violation in error.violations:
            bad.field_violations.add(field=violation.field, description=violation.description)
        status.details.add(type_url=BAD_REQUEST_URL, value=bad.SerializeToString())
    return status


def status_to_error(status: status_pb2.Status) -> UnderpaintError:
    """The exception for a status, by its reason; by its gRPC code where it carries no ErrorInfo of ours."""
    reason = ""
    metadata: dict[str, str] = {}
    violations: list[Violation] = []
    for detail in status.details:
        if detail.type_url == ERROR_INFO_URL:
            info = status_pb2.ErrorInfo.FromString(detail.value)
            if info.domain == DOMAIN:
                reason, metadata = info.reason, dict(info.metadata)
        elif detail.type_url == BAD_REQUEST_URL:
            bad = status_pb2.BadRequest.FromString(detail.value)
            violations += [Violation(found.field, found.description) for found in bad.field_violations]
    if reason:
        return for_reason(reason, status.message, metadata=metadata, violations=violations)
    return _from_code(status.code, status.message)


def _from_code(code: int, message: str) -> UnderpaintError:
    if code == _UNAUTHENTICATED:
        return TokenRefused(message)
    if code == _CANCELLED:
        return JobCancelled(message)
    return UnderpaintError(message, metadata={"grpc_code": str(code)})
