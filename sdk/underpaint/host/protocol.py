"""What the host side needs of a client: `Session` is written against these, never against a transport."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from underpaint.types import (
    ControlModelInfo,
    Image,
    JobOrigin,
    JobUpdate,
    LoraInfo,
    ModelList,
    PostprocessorInfo,
    PreprocessorInfo,
    Preview,
    Priority,
    Request,
)

OnUpdate = Callable[[JobUpdate], None]
OnPreview = Callable[[Preview], None]


class JobHandle(Protocol):
    """A submitted job. All methods block and may be called from any thread but the host's main one."""

    @property
    def name(self) -> str:
        """The name, `jobs/{id}`."""

    def wait(
        self,
        timeout: float | None = None,
        *,
        on_update: OnUpdate | None = None,
        on_preview: OnPreview | None = None,
    ) -> JobUpdate:
        """Watches until the final state; callbacks run in the calling thread.

        Survives a lost connection for a while (the daemon may be restarting). Raises the job's own error if
        it failed, `JobCancelled` if it was cancelled, `TimeoutError` after `timeout` seconds.
        """

    def fetch(self) -> list[Image]:
        """The finished pictures. Pixels stay valid until the images are garbage."""

    def cancel(self) -> JobUpdate:
        """Asks for a stop within one denoising step. Idempotent."""

    def delete(self) -> None:
        """Forgets the finished job and gives its results back. Idempotent."""


class ClientProtocol(Protocol):
    """A connection to the daemon. All methods block and may be called from any thread but the main one."""

    def submit(
        self,
        request: Request,
        *,
        origin: JobOrigin | None = None,
        priority: Priority = Priority.INTERACTIVE,
        request_id: str | None = None,
    ) -> JobHandle:
        """Uploads the request's images and queues the job."""

    def models(self) -> ModelList:
        """Models that the daemon knows."""

    def control_models(self) -> Sequence[ControlModelInfo]:
        """What `Control.model` may name."""

    def loras(self) -> Sequence[LoraInfo]:
        """What `Lora.name` may name."""

    def preprocessors(self) -> Sequence[PreprocessorInfo]:
        """What `PreprocessRequest` may name."""

    def postprocessors(self) -> Sequence[PostprocessorInfo]:
        """What `GenerateRequest.postprocess` may name."""

    def jobs(self, *, client_id: str = "", document_id: str = "") -> Sequence[JobUpdate]:
        """Jobs, newest first."""

    def job(self, name: str) -> JobHandle:
        """A job by name, whoever submitted it."""

    def close(self) -> None:
        """Ends the connection; jobs go on."""
