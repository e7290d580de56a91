"""The jobs of the fake daemon: a real queue of one, every stage, previews, cancellation; no model."""

# ruff: noqa: N802 - the protocol names these methods

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any

from underpaint.errors import (
    InvalidRequest,
    JobCancelled,
    JobNotFound,
    ModelNotFound,
    RequestIdReused,
    UnderpaintError,
    Violation,
)
from underpaint.testing.fake_blobs import FakeBlobs
from underpaint.testing.fake_pictures import color_of, drawn, paint
from underpaint.testing.fake_script import Record, Script, inputs_of, resolve
from underpaint.types import JobState
from underpaint.v1 import image_pb2, job_service_pb2_grpc, model_service_pb2
from underpaint.v1 import job_service_pb2 as pb
from underpaint.wire.jobs import JOB_STATES, state_from
from underpaint.wire.limits import check_origin, check_request_id, check_spec, raise_for
from underpaint.wire.status import error_to_status

FACTOR = 4.0
"""How much an upscaling enlarges that does not say it."""


class FakeJobs(job_service_pb2_grpc.JobServiceServicer):
    """The service and its runner."""

    def __init__(
        self, blobs: FakeBlobs, models: list[model_service_pb2.Model], restart: Callable[[], None]
    ) -> None:
        self.script: Callable[[pb.JobSpec], Script] = lambda spec: Script()
        self.records: dict[str, Record] = {}
        self.go_on = asyncio.Event()
        self._blobs = blobs
        self._models = {model.name: model for model in models}
        self._restart = restart
        self._queue: asyncio.Queue[Record] = asyncio.Queue()

    async def run(self) -> None:
        """Works through the queue, one job at a time; jobs of an earlier life first."""
        self._queue = asyncio.Queue()
        self.go_on = asyncio.Event()
        for record in self.records.values():
            record.changed = asyncio.Condition()
            if not record.final:
                record.job.ClearField("progress")
                await self._change(record, JobState.QUEUED)
                self._queue.put_nowait(record)
        while True:
            record = await self._queue.get()
            try:
                await self._paint(record)
            except JobCancelled as error:
                await self._end(record, JobState.CANCELLED, error)
            except UnderpaintError as error:
                await self._end(record, JobState.FAILED, error)

    async def forget(self) -> None:
        """Cancels what is not final and forgets all jobs; those who watch are told."""
        for record in list(self.records.values()):
            record.cancelled = True
            await self._end(record, JobState.CANCELLED, JobCancelled("The job was forgotten."))
        self.records.clear()
        self.go_on = asyncio.Event()

    async def SubmitJob(self, request: pb.SubmitJobRequest, context: Any) -> pb.SubmitJobResponse:
        """Queues a job."""
        raise_for(
            check_spec(request.spec) + check_origin(request.origin) + check_request_id(request.request_id)
        )
        submitted = request.SerializeToString(deterministic=True)
        for known in self.records.values():
            if known.request_id == request.request_id:
                if known.submitted != submitted:
                    raise RequestIdReused(
                        f"Request {request.request_id} was another job: use a new id.",
                        metadata={"job": known.job.name},
                    )
                return pb.SubmitJobResponse(job=known.job)
        if request.spec.model and request.spec.model not in self._models:
            names = ", ".join(self._models)
            raise ModelNotFound(
                f"There is no model {request.spec.model!r}; choose one of {names}.",
                metadata={"model": request.spec.model},
            )
        self._check_mask(request.spec)
        self._check_roles(request.spec)
        name = f"jobs/{secrets.token_hex(8)}"
        job = pb.Job(
            name=name,
            state=pb.JOB_STATE_QUEUED,
            sequence=1,
            spec=request.spec,
            origin=request.origin,
            priority=request.priority or pb.PRIORITY_INTERACTIVE,
        )
        job.create_time.GetCurrentTime()
        record = self.records[name] = Record(job, request.request_id, submitted)
        for blob in inputs_of(request.spec):
            self._blobs.get(blob).jobs += 1
        self._queue.put_nowait(record)
        return pb.SubmitJobResponse(job=job)

    async def WatchJob(self, request: pb.WatchJobRequest, context: Any) -> AsyncIterator[pb.WatchJobResponse]:
        """The present state, then every change."""
        record = self._get(request.name)
        seen, shown = request.after_sequence, None if request.after_sequence == 0 else record.preview
        while True:
            async with record.changed:
                while record.job.sequence <= seen and record.preview is shown and not record.final:
                    await record.changed.wait()
                job = pb.Job.FromString(record.job.SerializeToString())
                preview, shown = (record.preview if record.preview is not shown else None), record.preview
            if job.sequence > seen:
                seen = job.sequence
                yield pb.WatchJobResponse(job=job)
            if preview is not None and request.previews:
                yield pb.WatchJobResponse(preview=preview)
            if state_from(job.state).is_final:
                return

    async def GetJob(self, request: pb.GetJobRequest, context: Any) -> pb.GetJobResponse:
        """One job."""
        return pb.GetJobResponse(job=self._get(request.name).job)

    async def ListJobs(self, request: pb.ListJobsRequest, context: Any) -> pb.ListJobsResponse:
        """Jobs, newest first."""
        found = [
            record.job
            for record in reversed(self.records.values())
            if request.client_id in ("", record.job.origin.client_id)
            and request.document_id in ("", record.job.origin.document_id)
        ]
        start, size = int(request.page_token or 0), request.page_size or 100
        more = str(start + size) if start + size < len(found) else ""
        return pb.ListJobsResponse(jobs=found[start : start + size], next_page_token=more)

    async def CancelJob(self, request: pb.CancelJobRequest, context: Any) -> pb.CancelJobResponse:
        """Asks for a stop."""
        record = self._get(request.name)
        before = record.job.state
        record.cancelled = True
        if state_from(before) is JobState.QUEUED:
            await self._end(record, JobState.CANCELLED, JobCancelled("The job was cancelled."))
        return pb.CancelJobResponse(found=before, job=record.job)

    async def DeleteJob(self, request: pb.DeleteJobRequest, context: Any) -> pb.DeleteJobResponse:
        """Forgets a job."""
        record = self.records.pop(request.name, None)
        if record is not None:
            for result in record.job.results:
                self._blobs.drop_job(result.image.blob)
        return pb.DeleteJobResponse()

    def _get(self, name: str) -> Record:
        if name not in self.records:
            raise JobNotFound(f"There is no {name}: it was deleted.", metadata={"job": name})
        return self.records[name]

    def _check_mask(self, spec: pb.JobSpec) -> None:
        for name in inputs_of(spec):
            self._blobs.sealed(name)
        if spec.WhichOneof("operation") == "inpaint":
            mask = self._blobs.sealed(spec.inpaint.mask.blob)
            if not any(mask.path.read_bytes()):
                raise InvalidRequest("The mask is empty: select something first.")

    def _check_roles(self, spec: pb.JobSpec) -> None:
        model = self._models.get(spec.model) or next(iter(self._models.values()), None)
        roles = [one.role for one in model.controls] if model is not None else []
        for number, control in enumerate(spec.controls):
            if control.role not in roles:
                text = f"{control.role!r} is none of: {', '.join(roles) or 'none, since it takes none'}"
                raise_for([Violation(f"spec.controls[{number}].role", text)])

    async def _paint(self, record: Record) -> None:
        if record.final:
            return
        script = self.script(record.job.spec)
        spec = resolve(record.job.spec, list(self._models.values()))
        steps = script.steps or spec.steps
        job = record.job
        job.resolved.CopyFrom(spec)
        del job.plan[:]
        job.plan.add(kind=pb.STAGE_KIND_ENCODING_TEXT, steps=1)
        job.plan.add(kind=pb.STAGE_KIND_DENOISING, steps=steps)
        job.plan.add(kind=pb.STAGE_KIND_DECODING, steps=1)
        job.start_time.GetCurrentTime()
        await self._change(record, JobState.RUNNING, stage=0)
        for step in range(1, steps + 1):
            await asyncio.sleep(script.step_seconds)
            if step == script.hang_at_step:
                await self._hang(record)
            if step == script.restart_at_step and not record.restarted:
                record.restarted = True
                self._restart()
                await asyncio.Event().wait()
            if record.cancelled:
                raise JobCancelled("The job was cancelled.")
            if record.final:
                return
            red, green, blue = color_of(spec)
            record.preview = pb.Preview(
                step=step, width_px=8, height_px=8, rgb=bytes((red, green, blue)) * 64
            )
            await self._change(record, JobState.RUNNING, stage=1, step=step, fraction=step / (steps + 1))
        if script.error is not None:
            raise script.error
        job.notes.extend(script.notes)
        self._finish(record, spec, script)
        await self._change(record, JobState.RUNNING, stage=2, fraction=0.99)
        await self._end(record, JobState.SUCCEEDED, None)

    async def _hang(self, record: Record) -> None:
        while not self.go_on.is_set() and not record.cancelled:
            await asyncio.sleep(0.01)

    def _finish(self, record: Record, spec: pb.JobSpec, script: Script) -> None:
        operation = spec.WhichOneof("operation")
        place = image_pb2.ImageRef(x_px=spec.text_to_image.x_px, y_px=spec.text_to_image.y_px)
        source = mask = None
        layout = image_pb2.ImageLayout.FromString(spec.output_layout.SerializeToString())
        layout.width_px, layout.height_px = spec.text_to_image.width_px, spec.text_to_image.height_px
        layout.stride_bytes = 0
        if operation != "text_to_image":
            # Each operation on a picture names it "image".
            place = getattr(spec, operation).image
            source = self._read(place.blob)
            layout.width_px, layout.height_px = source[0].width_px, source[0].height_px
        if operation == "upscale":
            factor = spec.upscale.factor or FACTOR
            layout.width_px = spec.upscale.width_px or round(layout.width_px * factor)
            layout.height_px = spec.upscale.height_px or round(layout.height_px * factor)
            source = None
        if operation == "inpaint":
            mask = self._read(spec.inpaint.mask.blob)
        pixels = script.pixels
        if pixels is None:
            draw = drawn if script.drawing else paint
            pixels = draw(spec, layout, source, mask)
        blob = self._blobs.put(layout, pixels)
        record.job.results.add(
            image=image_pb2.ImageRef(blob=blob.name, x_px=place.x_px, y_px=place.y_px),
            layout=layout,
            sha256=hashlib.sha256(pixels).hexdigest(),
        )

    def _read(self, name: str) -> tuple[image_pb2.ImageLayout, bytes]:
        blob = self._blobs.sealed(name)
        return blob.layout, blob.path.read_bytes()

    async def _end(self, record: Record, state: JobState, error: UnderpaintError | None) -> None:
        if record.final:
            return
        if error is not None:
            record.job.error.CopyFrom(error_to_status(error))
        record.job.end_time.GetCurrentTime()
        fraction = 1.0 if state is JobState.SUCCEEDED else record.job.progress.fraction
        # Who hears of the end finds the inputs gone.
        for blob in inputs_of(record.job.spec):
            self._blobs.drop_job(blob)
        await self._change(record, state, stage=record.job.progress.stage_index, fraction=fraction)

    async def _change(
        self, record: Record, state: JobState, *, stage: int = 0, step: int = 0, fraction: float = 0.0
    ) -> None:
        async with record.changed:
            record.job.state = JOB_STATES[state]
            record.job.sequence += 1
            record.job.progress.stage_index = stage
            record.job.progress.step = step
            record.job.progress.fraction = fraction
            record.changed.notify_all()
        await asyncio.sleep(0)
