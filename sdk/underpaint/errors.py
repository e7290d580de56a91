"""Everything that underpaint raises on purpose.

UnderpaintError
├── InvalidRequest            a value is out of range; `violations` names the fields
├── NotFound
│   ├── ModelNotFound
│   ├── JobNotFound
│   └── BlobNotFound
├── Unavailable               try again, perhaps after doing what the message says
│   ├── DaemonUnreachable     no daemon answers and none could be started
│   ├── EngineMissing         the daemon runs, its engine is not installed
│   ├── WorkerLost            the process that owned the device ended while the job ran
│   └── ShuttingDown
├── Refused
│   ├── TokenRefused
│   └── ProtocolUnsupported   client and daemon are too far apart; update the older one
├── Exhausted
│   ├── StorageFull
│   ├── LimitExceeded
│   └── OutOfMemory
├── Unusable
│   ├── ModelUnusable
│   ├── OperationUnsupported
│   ├── BlobStateError
│   ├── RequestIdReused
│   └── PluginFailed          a plug-in raised or cannot be imported; repair, remove or block it
├── ContentRefused            a safety filter said no, and why; no picture was made or kept
├── JobCancelled
├── HostError                 raised by adapters: the host refused, in its own words
│   ├── NoDocument
│   ├── NothingSelected
│   ├── PlaceGone             the document or layer of a result is gone; the result is kept
│   └── WrongThread           a host function was called off the host's main thread
└── InternalError             a fault of ours; the daemon's log has the traceback

Each class has a `reason`, the name of an ErrorReason of the protocol, and each message says what
to do next. `for_reason` maps back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple


class Violation(NamedTuple):
    """One field of a request at fault."""

    field: str
    description: str


class UnderpaintError(Exception):
    """The root. `str(error)` is for people, `reason` and `metadata` are for programs."""

    reason: ClassVar[str] = "INTERNAL"

    def __init__(
        self,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.metadata: dict[str, str] = dict(metadata or {})
        self.violations: tuple[Violation, ...] = tuple(violations)


class InvalidRequest(UnderpaintError):
    """A value is out of range; `violations` names every field at fault."""

    reason = "INVALID_REQUEST"


class NotFound(UnderpaintError):
    """What the call named does not exist."""


class ModelNotFound(NotFound):
    """No model of that name in the registered roots."""

    reason = "MODEL_NOT_FOUND"


class JobNotFound(NotFound):
    """The job was deleted or never existed."""

    reason = "JOB_NOT_FOUND"


class BlobNotFound(NotFound):
    """The blob's lease ended; upload again."""

    reason = "BLOB_NOT_FOUND"


class Unavailable(UnderpaintError):
    """Not now; the message says what would help."""


class DaemonUnreachable(Unavailable):
    """No daemon answers and none could be started."""

    reason = "DAEMON_UNREACHABLE"


class EngineMissing(Unavailable):
    """The daemon runs, but torch and diffusers are not installed beside it."""

    reason = "ENGINE_MISSING"


class WorkerLost(Unavailable):
    """The worker process ended while the job ran."""

    reason = "WORKER_LOST"


class ShuttingDown(Unavailable):
    """The daemon is going away."""

    reason = "SHUTTING_DOWN"


class Refused(UnderpaintError):
    """The daemon does not talk to this client."""


class TokenRefused(Refused):
    """No token or a wrong one, also after the discovery file was read again."""

    reason = "TOKEN_REFUSED"


class ProtocolUnsupported(Refused):
    """Client and daemon are too far apart; update the older one."""

    reason = "PROTOCOL_UNSUPPORTED"


class Exhausted(UnderpaintError):
    """Something has run out."""


class StorageFull(Exhausted):
    """The pixel folder's disk or quota is full."""

    reason = "STORAGE_FULL"


class LimitExceeded(Exhausted):
    """A limit of the daemon; `metadata` names it and its maximum."""

    reason = "LIMIT_EXCEEDED"


class OutOfMemory(Exhausted):
    """The device has too little memory for this job."""

    reason = "OUT_OF_MEMORY"


class Unusable(UnderpaintError):
    """It is there, but not for this."""


class ModelUnusable(Unusable):
    """The model is there but cannot be loaded."""

    reason = "MODEL_UNUSABLE"


class OperationUnsupported(Unusable):
    """The model cannot do this operation."""

    reason = "OPERATION_UNSUPPORTED"


class BlobStateError(Unusable):
    """A blob was sealed too early, too late or with another size."""

    reason = "BLOB_STATE"


class RequestIdReused(Unusable):
    """The request_id was used before for another specification."""

    reason = "REQUEST_ID_REUSED"


class PluginFailed(Unusable):
    """A plug-in raised or cannot be imported; `metadata` names it."""

    reason = "PLUGIN_FAILED"


class ContentRefused(UnderpaintError):
    """A safety filter said no; the message says why, `metadata` names the filter."""

    reason = "CONTENT_REFUSED"


class JobCancelled(UnderpaintError):
    """Somebody cancelled the job."""

    reason = "JOB_CANCELLED"


class HostError(UnderpaintError):
    """The host program refused."""

    reason = "HOST_REFUSED"


class NoDocument(HostError):
    """No document is open in the host."""

    reason = "NO_DOCUMENT"


class NothingSelected(HostError):
    """The verb needs a selection and there is none, or it is empty."""

    reason = "NOTHING_SELECTED"


class PlaceGone(HostError):
    """The document or layer that a result belongs to is gone; the result is kept with its job."""

    reason = "PLACE_GONE"


class WrongThread(HostError):
    """A host function was called off the host's main thread."""


class InternalError(UnderpaintError):
    """A fault of ours."""

    reason = "INTERNAL"


def _tree(root: type[UnderpaintError]) -> list[type[UnderpaintError]]:
    return [root, *(found for child in root.__subclasses__() for found in _tree(child))]


def for_reason(
    reason: str,
    message: str,
    *,
    metadata: Mapping[str, str] | None = None,
    violations: Sequence[Violation] = (),
) -> UnderpaintError:
    """The exception for a reason of the protocol; an unknown reason of a newer daemon gives the root."""
    for kind in _tree(UnderpaintError):
        if kind.__dict__.get("reason") == reason and kind is not UnderpaintError:
            return kind(message, metadata=metadata, violations=violations)
    return UnderpaintError(message, metadata={**(metadata or {}), "reason": reason}, violations=violations)
