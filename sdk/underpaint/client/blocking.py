"""The blocking face: the asyncio client on a private thread, safe to use from any number of threads."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Coroutine, Generator, Iterator
from types import TracebackType
from typing import Any, TypeVar

from underpaint.client.aio import CONNECT_TIMEOUT, RECONNECT_FOR, AsyncClient, connect_async
from underpaint.client.blocking_job import Job
from underpaint.client.core import Core
from underpaint.client.thread import Mailbox
from underpaint.errors import Unavailable
from underpaint.types import (
    ControlModelInfo,
    FreedMemory,
    Image,
    JobOrigin,
    JobUpdate,
    LoraInfo,
    ModelInfo,
    ModelList,
    PluginInfo,
    PostprocessorInfo,
    PreprocessorInfo,
    Preview,
    Priority,
    Request,
    ResultRef,
    ServerInfo,
)
from underpaint.v1 import image_pb2

Result = TypeVar("Result")


def connect(
    *,
    start: bool = True,
    timeout: float = CONNECT_TIMEOUT,
    address: str | None = None,
    token: str | None = None,
    pixels: str | None = None,
    reconnect_for: float = RECONNECT_FOR,
) -> Client:
    """Finds the daemon, starts it if there is none, and returns a client for any thread.

    start: whether a daemon may be started; with `address` none ever is.
    timeout: seconds for a daemon that we start to answer.
    address, token: a certain daemon ("unix:/path" or "tcp:HOST:PORT"); both or neither.
    pixels: "auto" or "chunks"; None: UNDERPAINT_PIXELS, else "auto".
    reconnect_for: seconds for which waiting and watching survive a daemon that went.

    Raises `DaemonUnreachable`, `TokenRefused`, `ProtocolUnsupported`, each with the way out.
    """

    def make() -> Coroutine[Any, Any, AsyncClient]:
        return connect_async(
            start=start,
            timeout=timeout,
            address=address,
            token=token,
            pixels=pixels,
            reconnect_for=reconnect_for,
        )

    return Client(make)


class Client:
    """A connection to the daemon; made by `connect`. Close it, or use `with`; if forgotten, it ends itself.

    All methods block, and any thread may call them but a host's main one, which must not wait. After a
    `fork`, the child gets a connection of its own. Every call raises the tree of `underpaint.errors`.
    """

    def __init__(self, make: Callable[[], Coroutine[Any, Any, AsyncClient]]) -> None:
        self._make = make
        # By process: a lock that another thread held during a fork stays locked in the child.
        self._locks: dict[int, threading.Lock] = {}
        self._closed = False
        self._core = Core(make)
        # Runs when the client is garbage and when the interpreter ends, whichever comes first.
        self._finalizer = weakref.finalize(self, self._core.close)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends connection and thread; jobs go on, downloaded images stay valid. Idempotent."""
        self._closed = True
        self._finalizer()

    # Jobs

    def submit(
        self,
        request: Request,
        *,
        origin: JobOrigin | None = None,
        priority: Priority = Priority.INTERACTIVE,
        request_id: str | None = None,
        cancel_when_unwatched: bool = False,
    ) -> Job:
        """Uploads the request's images and queues the job. The same `request_id` gives the same job.

        Raises `InvalidRequest` before anything is uploaded where that can be told without the model.
        """
        core = self._here()
        job = core.thread.run(
            core.client.submit(
                request,
                origin=origin,
                priority=priority,
                request_id=request_id,
                cancel_when_unwatched=cancel_when_unwatched,
            )
        )
        return Job(self, job)

    def job(self, name: str) -> Job:
        """A job by name, whoever submitted it; nothing is asked of the daemon yet."""
        return Job(self, self._here().client.job(name))

    def get(self, name: str) -> JobUpdate:
        """A job as it is now. Raises `JobNotFound`."""
        return self._run(lambda client: client.get(name))

    def jobs(self, *, client_id: str = "", document_id: str = "") -> list[JobUpdate]:
        """Jobs, newest first; all of them, or those of a client or document."""
        return self._run(lambda client: client.jobs(client_id=client_id, document_id=document_id))

    def watch(
        self, name: str, after_sequence: int = 0, previews: bool = False
    ) -> Iterator[JobUpdate | Preview]:
        """The job as it is now (unless its sequence is not above `after_sequence`), then every change.

        Ends after a final state. Survives a daemon that is restarted. A preview that was not taken before
        the next one came is dropped.
        """
        return self._watch(name, after_sequence, previews, None)

    def _watch(
        self, name: str, after_sequence: int, previews: bool, deadline: float | None
    ) -> Generator[JobUpdate | Preview, None, None]:
        core = self._here()
        source = core.client.watch(name, after_sequence, previews)
        mailbox: Mailbox[JobUpdate | Preview] = Mailbox(core.thread, source, Preview)
        try:
            while (item := mailbox.get(deadline)) is not None:
                yield item
        finally:
            mailbox.close()

    def cancel(self, name: str) -> JobUpdate:
        """Asks for a stop within one denoising step; the job as it is now. Idempotent."""
        return self._run(lambda client: client.cancel(name))

    def delete(self, name: str) -> None:
        """Forgets a finished job and gives its results back. Idempotent."""
        self._run(lambda client: client.delete(name))

    # Pixels

    def upload(self, image: Image) -> image_pb2.ImageRef:
        """Brings an image to the daemon, where it stays until `release` or the end of this client."""
        return self._run(lambda client: client.upload(image))

    def release(self, ref: image_pb2.ImageRef) -> None:
        """Gives an uploaded image back."""
        self._run(lambda client: client.release(ref))

    def download(self, ref: ResultRef | image_pb2.ImageRef) -> Image:
        """Pixels from the daemon, read-only; valid as long as the image or a view of it is alive."""
        return self._run(lambda client: client.download(ref))

    # Models and the daemon itself

    def models(self, kind: str = "") -> ModelList:
        """Models that the daemon knows, and which are used when a request names none.

        Those that paint; or those of a `kind` (`ModelInfo.kind`), "all" for every one.
        """
        return self._run(lambda client: client.models(kind))

    def control_models(self) -> list[ControlModelInfo]:
        """What `Control.model` may name, by name, and which models each fits."""
        return self._run(lambda client: client.control_models())

    def loras(self) -> list[LoraInfo]:
        """What `Lora.name` may name, by name, and which models each fits."""
        return self._run(lambda client: client.loras())

    def load_model(self, name: str) -> ModelInfo:
        """Brings a model into memory; returns once it is there, which may take minutes."""
        return self._run(lambda client: client.load_model(name))

    def unload_model(self, name: str = "") -> None:
        """Gives a model's memory back; without a name, all of them. Idempotent."""
        self._run(lambda client: client.unload_model(name))

    def yield_memory(self, *, ram: bool = False, pause: float = 0.0) -> FreedMemory:
        """Gives GPU memory back now; what came free. Fails no job.

        Running jobs finish their present step, wait for `pause` seconds, at most an hour, and go on with
        what they have. `ram`: also what idle models hold in the machine's memory. Starts no daemon.
        """
        return self._run(lambda client: client.yield_memory(ram=ram, pause=pause))

    def server_info(self) -> ServerInfo:
        """The daemon as it describes itself: versions, workers, capabilities."""
        return self._run(lambda client: client.server_info())

    def plugins(self) -> list[PluginInfo]:
        """Plug-ins of the daemon's side, the broken ones with their tracebacks."""
        return self._run(lambda client: client.plugins())

    def preprocessors(self) -> list[PreprocessorInfo]:
        """What `PreprocessRequest` may name, by name."""
        return self._run(lambda client: client.preprocessors())

    def postprocessors(self) -> list[PostprocessorInfo]:
        """What `GenerateRequest.postprocess` may name, by name."""
        return self._run(lambda client: client.postprocessors())

    def shutdown(self, drain: float = 0.0) -> int:
        """Ends the daemon after at most `drain` seconds for running jobs; the jobs that stay queued."""
        return self._run(lambda client: client.shutdown(drain))

    def _run(self, action: Callable[[AsyncClient], Coroutine[Any, Any, Result]]) -> Result:
        core = self._here()
        return core.thread.run(action(core.client))

    def _here(self) -> Core:
        """The core of this process."""
        if self._closed:
            raise Unavailable("This client was closed: connect again.")
        pid = os.getpid()
        if self._core.pid != pid:
            with self._locks.setdefault(pid, threading.Lock()):
                if self._core.pid != pid:
                    self._finalizer.detach()
                    self._core = Core(self._make)
                    self._finalizer = weakref.finalize(self, self._core.close)
        return self._core
