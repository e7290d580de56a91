"""Jobs as protobuf, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from underpaint.errors import JobCancelled, UnderpaintError
from underpaint.types import (
    JobOrigin,
    JobState,
    JobUpdate,
    LatentsRequest,
    PlannedStage,
    PreprocessRequest,
    Preview,
    Priority,
    Progress,
    Request,
    ResultForm,
    StageKind,
    UpscaleRequest,
)
from underpaint.v1 import image_pb2, job_service_pb2
from underpaint.wire.controls import control_to_message
from underpaint.wire.images import format_to_layout, result_to_ref
from underpaint.wire.islands import islands_to_message
from underpaint.wire.latents import latents_to_spec
from underpaint.wire.limits import raise_for
from underpaint.wire.loras import loras_to_messages
from underpaint.wire.plain import time_from, to_plain
from underpaint.wire.regions import ControlPixels, RegionPixels, region_to_message
from underpaint.wire.requests import check_request
from underpaint.wire.status import status_to_error
from underpaint.wire.upscale import upscale_to_spec

JOB_STATES: Final[Mapping[JobState, job_service_pb2.JobState]] = {
    JobState.QUEUED: job_service_pb2.JOB_STATE_QUEUED,
    JobState.RUNNING: job_service_pb2.JOB_STATE_RUNNING,
    JobState.SUCCEEDED: job_service_pb2.JOB_STATE_SUCCEEDED,
    JobState.FAILED: job_service_pb2.JOB_STATE_FAILED,
    JobState.CANCELLED: job_service_pb2.JOB_STATE_CANCELLED,
}
STAGE_KINDS: Final[Mapping[StageKind, job_service_pb2.StageKind]] = {
    StageKind.LOADING: job_service_pb2.STAGE_KIND_LOADING,
    StageKind.ENCODING_TEXT: job_service_pb2.STAGE_KIND_ENCODING_TEXT,
    StageKind.ENCODING_IMAGE: job_service_pb2.STAGE_KIND_ENCODING_IMAGE,
    StageKind.DENOISING: job_service_pb2.STAGE_KIND_DENOISING,
    StageKind.DECODING: job_service_pb2.STAGE_KIND_DECODING,
    StageKind.POST_PROCESSING: job_service_pb2.STAGE_KIND_POST_PROCESSING,
    StageKind.PREPROCESSING: job_service_pb2.STAGE_KIND_PREPROCESSING,
    StageKind.UPSCALING: job_service_pb2.STAGE_KIND_UPSCALING,
}
PRIORITIES: Final[Mapping[Priority, job_service_pb2.Priority]] = {
    Priority.LIVE: job_service_pb2.PRIORITY_LIVE,
    Priority.INTERACTIVE: job_service_pb2.PRIORITY_INTERACTIVE,
    Priority.BATCH: job_service_pb2.PRIORITY_BATCH,
}
RESULT_FORMS: Final[Mapping[ResultForm, job_service_pb2.ResultForm]] = {
    ResultForm.LAYER: job_service_pb2.RESULT_FORM_LAYER,
    ResultForm.MERGED: job_service_pb2.RESULT_FORM_MERGED,
}
_STATES_BACK: Final[Mapping[int, JobState]] = {int(number): state for state, number in JOB_STATES.items()}
_STAGES_BACK: Final[Mapping[int, StageKind]] = {int(number): kind for kind, number in STAGE_KINDS.items()}
_PRIORITIES_BACK: Final[Mapping[int, Priority]] = {
    int(number): priority for priority, number in PRIORITIES.items()
}


def request_to_spec(
    request: Request,
    image: image_pb2.ImageRef | None = None,
    mask: image_pb2.ImageRef | None = None,
    controls: Sequence[ControlPixels] = (),
    regions: Sequence[RegionPixels] = (),
    islands: image_pb2.ImageRef | None = None,
) -> job_service_pb2.JobSpec:
    """A specification; `image` and `mask` are the uploaded pixels of the request's, `controls` those of its
    controls, image and mask of each, `regions` those of its regions, `islands` that of its islands.

    Raises `InvalidRequest` whose violations name every field that is out of range.
    """
    raise_for(check_request(request))
    if isinstance(request, LatentsRequest):
        return latents_to_spec(request, image)
    if isinstance(request, PreprocessRequest):
        return _preprocess_to_spec(request, image)
    if isinstance(request, UpscaleRequest):
        return upscale_to_spec(request, image, controls, regions)
    spec = job_service_pb2.JobSpec(
        model=request.model,
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        seed=request.seed,
        steps=request.steps or 0,
        guidance_scale=request.guidance_scale,
        scheduler=request.scheduler,
        tile_x=request.tiling.x,
        tile_y=request.tiling.y,
        result_form=RESULT_FORMS[request.form] if request.form else job_service_pb2.RESULT_FORM_UNSPECIFIED,
        postprocess=request.postprocess,
        controls=[
            control_to_message(control, *pixels)
            for control, pixels in zip(request.controls, controls, strict=True)
        ],
        loras=loras_to_messages(request.loras),
        preset=request.preset,
        scheduler_parameters=request.scheduler_parameters,
        regions=[
            region_to_message(region, pixels) for region, pixels in zip(request.regions, regions, strict=True)
        ],
    )
    if request.output is not None:
        spec.output_layout.CopyFrom(format_to_layout(request.output))
    if request.islands is not None and islands is not None:
        spec.islands.CopyFrom(islands_to_message(request.islands, islands))
    if image is None:
        spec.text_to_image.SetInParent()
        spec.text_to_image.width_px = request.width or 0
        spec.text_to_image.height_px = request.height or 0
        spec.text_to_image.x_px, spec.text_to_image.y_px = request.x, request.y
    elif request.edit:
        spec.edit_image.image.CopyFrom(image)
    elif mask is None:
        spec.image_to_image.CopyFrom(job_service_pb2.ImageToImage(image=image, strength=request.strength))
    else:
        spec.inpaint.CopyFrom(
            job_service_pb2.Inpaint(
                image=image,
                mask=mask,
                strength=request.strength,
                grow_px=request.grow,
                feather_px=request.feather,
                fill_mode=request.fill_mode,
            )
        )
    return spec


def _preprocess_to_spec(
    request: PreprocessRequest, image: image_pb2.ImageRef | None
) -> job_service_pb2.JobSpec:
    spec = job_service_pb2.JobSpec(tile_x=request.tiling.x, tile_y=request.tiling.y)
    spec.preprocess.CopyFrom(
        job_service_pb2.Preprocess(
            image=image, preprocessor=request.preprocessor, parameters=request.parameters
        )
    )
    if request.output is not None:
        spec.output_layout.CopyFrom(format_to_layout(request.output))
    return spec


def origin_to_message(origin: JobOrigin) -> job_service_pb2.JobOrigin:
    """Who asks, as it travels."""
    return job_service_pb2.JobOrigin(
        client_id=origin.client_id,
        document_id=origin.document_id,
        host_context=origin.host_context,
        title=origin.title,
    )


def origin_from(message: job_service_pb2.JobOrigin) -> JobOrigin:
    """Who asked."""
    return JobOrigin(message.client_id, message.document_id, message.host_context, message.title)


def priority_from(number: int) -> Priority:
    """A priority; unset and unknown ones mean interactive."""
    return _PRIORITIES_BACK.get(number, Priority.INTERACTIVE)


def state_from(number: int) -> JobState:
    """A job's state. Raises `UnderpaintError` for a state that this version does not know."""
    state = _STATES_BACK.get(number)
    if state is None:
        raise UnderpaintError(
            f"The daemon sent job state {number}, which this version does not know: update it."
        )
    return state


def plan_from(stages: list[job_service_pb2.PlannedStage]) -> tuple[PlannedStage, ...]:
    """Stages to expect. One that this version does not know counts as post-processing, so indices hold."""
    return tuple(
        PlannedStage(_STAGES_BACK.get(stage.kind, StageKind.POST_PROCESSING), max(1, stage.steps))
        for stage in stages
    )


def progress_from(message: job_service_pb2.JobProgress) -> Progress:
    """How far a job is."""
    return Progress(message.queue_position, message.stage_index, message.step, message.fraction)


def job_to_update(job: job_service_pb2.Job) -> JobUpdate:
    """A job as it is now."""
    state = state_from(job.state)
    error: UnderpaintError | None = None
    if job.HasField("error"):
        error = status_to_error(job.error)
    elif state is JobState.CANCELLED:
        error = JobCancelled("The job was cancelled.")
    return JobUpdate(
        name=job.name,
        state=state,
        sequence=job.sequence,
        origin=origin_from(job.origin),
        plan=plan_from(list(job.plan)),
        progress=progress_from(job.progress),
        results=tuple(result_to_ref(result) for result in job.results),
        error=error,
        notes=tuple(job.notes),
        resolved=to_plain(job.resolved) if job.HasField("resolved") else {},
        model_sha256=dict(job.model_sha256),
        engine_version=job.engine_version,
        created=time_from(job, "create_time"),
        ended=time_from(job, "end_time"),
    )


def preview_from(message: job_service_pb2.Preview) -> Preview:
    """A rough picture."""
    return Preview(message.step, message.width_px, message.height_px, message.rgb)


def preview_to_message(preview: Preview) -> job_service_pb2.Preview:
    """A rough picture, as it travels."""
    return job_service_pb2.Preview(
        step=preview.step, width_px=preview.width, height_px=preview.height, rgb=preview.rgb
    )
