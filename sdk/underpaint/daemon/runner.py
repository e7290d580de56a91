"""One job on one worker: from the request to spooled results, whatever happens on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import grpc
import structlog

from underpaint.daemon import upscaling
from underpaint.daemon.blobs.store import BlobStore
from underpaint.daemon.board import MAX_ATTEMPTS, Board
from underpaint.daemon.control_specs import control_sources
from underpaint.daemon.controls import ControlIndex
from underpaint.daemon.embeddings import embedding_sources
from underpaint.daemon.faults import internal
from underpaint.daemon.live import LiveJob
from underpaint.daemon.lora_specs import lora_sources
from underpaint.daemon.loras import LoraIndex
from underpaint.daemon.models import ModelIndex, to_source
from underpaint.daemon.patience import Patience
from underpaint.daemon.process import WorkerProcess
from underpaint.daemon.processing import functions_for
from underpaint.daemon.progress import fraction
from underpaint.daemon.safety import Safety
from underpaint.daemon.tasks import TaskSet
from underpaint.daemon.worker import Worker, rpc_error
from underpaint.errors import InternalError, InvalidRequest, JobCancelled, UnderpaintError, WorkerLost
from underpaint.v1.image_pb2 import ImageRef
from underpaint.v1.job_service_pb2 import PRIORITY_BATCH, Job, JobResult, JobSpec
from underpaint.wire.status import status_to_error
from underpaint.worker_v1.worker_service_pb2 import (
    CancelJobRequest,
    Finished,
    InputBlob,
    RunJobRequest,
    RunJobResponse,
)

log = structlog.get_logger(__name__)

# How long after a broken stream the process is given to turn out dead.
DEATH_S = 10.0
# How long a worker may take to note a cancellation before it is asked again.
NOTE_S = 2.0
ASK_AGAIN_S = 0.02
# What a stream that broke ends with; every other status is a worker's answer.
BROKEN = (
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.UNKNOWN,
)
MAX_PREVIEW_EDGE = 256
ENDED = "The worker ended while the job ran"
# How the board hears what became of a job.
Tell = Callable[[], Awaitable[None]]


class Runner:
    """Runs jobs on workers and tells the board. Used from the event loop's thread."""

    def __init__(
        self,
        board: Board,
        blobs: BlobStore,
        models: ModelIndex,
        controls: ControlIndex,
        loras: LoraIndex,
        safety: Safety,
        patience: Patience,
    ) -> None:
        self._board = board
        self._blobs = blobs
        self._models = models
        self._controls = controls
        self._loras = loras
        self._safety = safety
        self._patience = patience
        self._at: dict[str, WorkerProcess] = {}
        self._tasks = TaskSet()

    async def run(self, live: LiveJob, worker: Worker) -> None:
        """Runs the job; whatever happens, the board knows its state after.

        The board is told last: who hears that a job has ended finds nothing of it left behind, and who runs
        it again does so in a folder that nobody is about to remove.
        """
        try:
            tell = await self._clean_run(live, worker)
            await tell()
        except UnderpaintError as error:
            await self._board.fail(live, error)
        except Exception as fault:
            await self._board.fail(live, internal(fault, f"run {live.name}"))
            raise

    def cancel(self, live: LiveJob) -> None:
        """Asks the worker to stop the job at its next step; `live.cancel_requested` is set already."""
        process = self._at.get(live.name)
        if process is not None:
            self._tasks.spawn(self._cancel_there(live), f"cancel {live.name}")
            self._tasks.spawn(self._patience.run_out(live.name, process), f"wait for {live.name} to stop")

    def interrupt(self, live: LiveJob) -> None:
        """Stops a running job so that it can be run again later from the start."""
        live.interrupted = True
        self.cancel(live)

    async def _clean_run(self, live: LiveJob, worker: Worker) -> Tell:
        try:
            return await self._run(live, worker)
        finally:
            self._at.pop(live.name, None)
            self._patience.forget(live.name)
            await asyncio.to_thread(self._blobs.folder.remove_output_folder, live.name)

    async def _run(self, live: LiveJob, worker: Worker) -> Tell:
        process = worker.process
        if process is None:
            return partial(self._board.requeue, live)
        folder = await asyncio.to_thread(self._blobs.folder.output_folder, live.name)
        request = await self._request(live, folder)
        await self._board.start(live, worker.engine_version)
        self._at[live.name] = process
        if live.cancel_requested:
            return partial(
                self._board.cancelled, live, JobCancelled("The job was cancelled before it began.")
            )
        try:
            last = await self._follow(live, process, request)
        except grpc.aio.AioRpcError as error:
            return await self._broken(live, worker, process, error)
        if last is None:
            return self._lost(live, process.last_words(ENDED))
        kind = last.WhichOneof("event")
        if kind == "finished":
            return await self._spool(live, folder, last.finished)
        if kind == "failed":
            return partial(self._board.fail, live, status_to_error(last.failed))
        if live.cancel_requested:
            return partial(self._board.cancelled, live, JobCancelled("The job was cancelled."))
        return self._lost(live, "The worker stopped the job without being asked to.")

    async def _request(self, live: LiveJob, folder: Path) -> RunJobRequest:
        spec = live.message.resolved
        # The job may have waited in the journal while the policy changed.
        await self._safety.check_request(spec)
        plugins = await self._models.plugins()
        preprocessor, postprocessors = await functions_for(spec, plugins, self._models)
        # Upscaling alone may do without a model.
        painted = preprocessor is None and (bool(spec.model) or spec.WhichOneof("operation") != "upscale")
        found = await self._models.find(spec.model) if painted else None
        model = to_source(found) if found is not None else None
        embeddings = await embedding_sources(spec, found, self._models) if found is not None else []
        inputs = [self._blobs.sealed(name) for name in inputs_of(spec)]
        return RunJobRequest(
            job=live.name,
            spec=spec,
            model=model,
            preprocessor=preprocessor,
            postprocessors=postprocessors,
            upscaler=await upscaling.source_of(spec, self._models),
            picture_checks=await self._safety.picture_checks(),
            controls=await control_sources(spec, self._controls, plugins),
            loras=await lora_sources(spec, self._loras),
            embeddings=embeddings,
            inputs=[InputBlob(name=e.name, path=str(e.path), layout=e.layout) for e in inputs],
            output_folder=str(folder),
            # A stream that wants previews usually opens a moment after the job has been submitted.
            previews=live.message.priority != PRIORITY_BATCH or any(w.previews for w in live.watchers),
            priority=live.message.priority,
        )

    async def _follow(
        self, live: LiveJob, process: WorkerProcess, request: RunJobRequest
    ) -> RunJobResponse | None:
        """Passes events on until the last one, which it returns; None if the worker ended before it."""
        call = process.stub.RunJob(request, metadata=process.metadata)
        self._patience.heard(live.name)
        try:
            async for event in call:
                self._patience.heard(live.name)
                kind = event.WhichOneof("event")
                if kind == "planned":
                    self._board.plan(live, event.planned.stages)
                elif kind == "stepped":
                    self._step(live, event.stepped.stage_index, event.stepped.step)
                elif kind == "preview":
                    preview = event.preview
                    fits = max(preview.width_px, preview.height_px) <= MAX_PREVIEW_EDGE
                    if fits and len(preview.rgb) == preview.width_px * preview.height_px * 3:
                        self._board.preview(live, preview)
                elif kind is not None:
                    return event  # type: ignore[no-any-return]
        except asyncio.CancelledError:
            # Whoever closes a dead worker's channel before its stream breaks cancels the call, not the job.
            if not (call.cancelled() and process.has_ended):
                raise
            return None
        finally:
            call.cancel()
        raise InternalError("The worker ended the job without a result: report this with the worker's log.")

    def _step(self, live: LiveJob, stage_index: int, step: int) -> None:
        plan = live.message.plan
        if stage_index >= len(plan) or step > max(1, plan[stage_index].steps):
            raise InternalError(
                f"The worker reported step {step} of stage {stage_index}, which its plan does not have."
            )
        self._board.step(live, stage_index, step, fraction(plan, stage_index, step))

    async def _spool(self, live: LiveJob, folder: Path, finished: Finished) -> Tell:
        """Every output is on disk under its blob's name before the journal says so."""
        if not finished.outputs:
            raise InternalError("The worker finished the job without a picture.")
        results: list[JobResult] = []
        for output in finished.outputs:
            try:
                entry = await self._blobs.adopt(live.name, folder, output.file, output.layout)
            except InvalidRequest as error:
                raise InternalError(f"The worker's output has no valid layout: {error.message}") from error
            image = ImageRef(blob=entry.name, x_px=output.x_px, y_px=output.y_px)
            results.append(JobResult(image=image, layout=output.layout, sha256=output.sha256))

        def describe(job: Job) -> None:
            job.notes.extend(finished.notes)
            job.model_sha256.update(finished.model_sha256)
            if finished.HasField("resolved"):
                job.resolved.CopyFrom(finished.resolved)

        return partial(self._board.succeed, live, results, describe)

    async def _broken(
        self, live: LiveJob, worker: Worker, process: WorkerProcess, error: grpc.aio.AioRpcError
    ) -> Tell:
        """The stream broke: because the worker died, or because it refused the call."""
        if error.code() in BROKEN and await _ends_within(process, DEATH_S):
            return self._lost(live, process.last_words(ENDED))
        # It refused the call, or cannot be heard any more: it shall not go on for nobody.
        await self._ask_to_cancel(live, process)
        raise rpc_error(error, worker.info.device) from error

    def _lost(self, live: LiveJob, what: str) -> Tell:
        if live.cancel_requested:
            return partial(self._board.cancelled, live, JobCancelled("The job was cancelled."))
        if not live.interrupted:
            live.attempts += 1
        if live.attempts >= MAX_ATTEMPTS:
            raise WorkerLost(f"{what} This was the second try: a smaller picture or fewer steps may do.")
        log.warning("job goes back to the queue", job=live.name, attempts=live.attempts, why=what)
        return partial(self._board.requeue, live)

    async def _cancel_there(self, live: LiveJob) -> None:
        """Asks until the worker knows the job: the request to run it may still be on its way."""
        while (process := self._at.get(live.name)) is not None and not process.has_ended:
            if await self._ask_to_cancel(live, process):
                return
            await asyncio.sleep(ASK_AGAIN_S)

    async def _ask_to_cancel(self, live: LiveJob, process: WorkerProcess) -> bool:
        """Whether the worker knew the job, or cannot be asked."""
        request = CancelJobRequest(job=live.name)
        try:
            answer = await process.stub.CancelJob(request, metadata=process.metadata, timeout=NOTE_S)
        except grpc.aio.AioRpcError as error:
            log.debug("worker did not take the cancellation", job=live.name, code=error.code().name)
            # One that is busy has perhaps never seen the request; one that is gone needs none.
            return error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED
        return bool(answer.found)


async def _ends_within(process: WorkerProcess, seconds: float) -> bool:
    try:
        await asyncio.wait_for(asyncio.shield(process.wait()), seconds)
    except asyncio.TimeoutError:
        return False
    return True


def inputs_of(spec: JobSpec) -> list[str]:
    """Names of the blobs that a specification refers to, each once."""
    found: list[str] = []
    operation = spec.WhichOneof("operation")
    if operation == "image_to_image":
        found = [spec.image_to_image.image.blob]
    elif operation == "edit_image":
        found = [spec.edit_image.image.blob]
    elif operation == "inpaint":
        found = [spec.inpaint.image.blob, spec.inpaint.mask.blob]
    elif operation == "use_latents":
        found = [spec.use_latents.image.blob]
    elif operation == "preprocess":
        found = [spec.preprocess.image.blob]
    elif operation == "upscale":
        found = [spec.upscale.image.blob]
    for control in spec.controls:
        found += [control.image.blob, control.mask.blob] if control.HasField("mask") else [control.image.blob]
    found += [region.mask.blob for region in spec.regions]
    found += [spec.islands.mask.blob] if spec.HasField("islands") else []
    return list(dict.fromkeys(found))
