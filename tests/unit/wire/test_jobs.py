"""Requests and jobs on the wire."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underpaint.errors import JobCancelled, OutOfMemory, UnderpaintError
from underpaint.types import (
    MASK_FORMAT,
    GenerateRequest,
    Image,
    JobOrigin,
    JobState,
    PixelFormat,
    PlannedStage,
    PreprocessRequest,
    Preview,
    Priority,
    Progress,
    ResultForm,
    StageKind,
    Tiling,
)
from underpaint.v1 import image_pb2, job_service_pb2
from underpaint.wire import jobs
from underpaint.wire.images import layout_for
from underpaint.wire.status import error_to_status

IMAGE = Image(8, 8, bytes(256))
MASK = Image(8, 8, bytes(64), MASK_FORMAT)
BLOB = image_pb2.ImageRef(blob="blobs/a", x_px=-3, y_px=4)
OTHER = image_pb2.ImageRef(blob="blobs/b", x_px=-3, y_px=4)


@given(
    prompt=st.text(max_size=50),
    seed=st.none() | st.integers(0, 2**64 - 1),
    steps=st.none() | st.integers(1, 1000),
    guidance=st.none() | st.floats(0, 100),
    tiling=st.sampled_from(Tiling),
    form=st.none() | st.sampled_from(ResultForm),
)
def test_every_value_of_a_request_arrives_and_unset_stays_unset(
    prompt: str,
    seed: int | None,
    steps: int | None,
    guidance: float | None,
    tiling: Tiling,
    form: ResultForm | None,
) -> None:
    request = GenerateRequest(
        prompt=prompt, seed=seed, steps=steps, guidance_scale=guidance, tiling=tiling, form=form
    )
    spec = job_service_pb2.JobSpec.FromString(jobs.request_to_spec(request).SerializeToString())
    assert spec.prompt == prompt
    assert (spec.seed if spec.HasField("seed") else None) == seed
    assert (spec.guidance_scale if spec.HasField("guidance_scale") else None) == guidance
    assert spec.steps == (steps or 0)
    assert (spec.tile_x, spec.tile_y) == (tiling.x, tiling.y)
    assert spec.result_form == (jobs.RESULT_FORMS[form] if form else 0)
    assert not spec.HasField("output_layout")


def test_the_images_decide_the_operation() -> None:
    text = jobs.request_to_spec(GenerateRequest(width=64, height=32, x=-5, y=9))
    assert (text.text_to_image.width_px, text.text_to_image.height_px) == (64, 32)
    assert (text.text_to_image.x_px, text.text_to_image.y_px) == (-5, 9)
    bare = jobs.request_to_spec(GenerateRequest())
    assert bare.WhichOneof("operation") == "text_to_image"
    image = jobs.request_to_spec(GenerateRequest(image=IMAGE, strength=0.25), BLOB)
    assert image.image_to_image == job_service_pb2.ImageToImage(image=BLOB, strength=0.25)
    request = GenerateRequest(image=IMAGE, mask=MASK, feather=2.0, output=PixelFormat())
    fill = jobs.request_to_spec(request, BLOB, OTHER)
    assert fill.inpaint == job_service_pb2.Inpaint(image=BLOB, mask=OTHER, feather_px=2.0)
    assert fill.output_layout.channel_order == image_pb2.CHANNEL_ORDER_RGBA


def job(**fields: object) -> job_service_pb2.Job:
    return job_service_pb2.Job(name="jobs/a", sequence=7, **fields)  # type: ignore[arg-type]


def test_a_finished_job_arrives_with_everything() -> None:
    message = job(
        state=job_service_pb2.JOB_STATE_SUCCEEDED,
        resolved=jobs.request_to_spec(GenerateRequest(prompt="p", seed=2**63)),
        origin=jobs.origin_to_message(JobOrigin("c", "d", b"\0", "t")),
        plan=[job_service_pb2.PlannedStage(kind=job_service_pb2.STAGE_KIND_DENOISING, steps=4)],
        progress=job_service_pb2.JobProgress(stage_index=0, step=4, fraction=1.0),
        results=[job_service_pb2.JobResult(image=BLOB, layout=layout_for(PixelFormat(), 8, 9), sha256="ab")],
        notes=["smaller than you asked for"],
        model_sha256={"unet": "cd"},
        engine_version="1",
    )
    message.create_time.FromDatetime(datetime(2026, 1, 2, tzinfo=timezone.utc))
    update = jobs.job_to_update(message)
    assert update.state is JobState.SUCCEEDED
    assert update.sequence == 7
    assert update.origin == JobOrigin("c", "d", b"\0", "t")
    assert update.plan == (PlannedStage(StageKind.DENOISING, 4),)
    assert update.progress == Progress(0, 0, 4, 1.0)
    (result,) = update.results
    assert (result.blob, result.width, result.height, result.x, result.y) == ("blobs/a", 8, 9, -3, 4)
    assert update.notes == ("smaller than you asked for",)
    assert update.model_sha256 == {"unet": "cd"}
    assert update.created == datetime(2026, 1, 2, tzinfo=timezone.utc)
    assert update.ended is None
    assert update.error is None
    assert update.resolved["seed"] == 2**63
    assert update.resolved["text_to_image"] == {"width_px": 0, "height_px": 0, "x_px": 0, "y_px": 0}
    assert update.resolved["tile_x"] is False
    assert update.resolved["result_form"] == "RESULT_FORM_UNSPECIFIED"
    assert "guidance_scale" not in update.resolved


def test_a_failed_job_carries_its_own_error() -> None:
    error = error_to_status(OutOfMemory("smaller", metadata={"needed_bytes": "9"}))
    update = jobs.job_to_update(job(state=job_service_pb2.JOB_STATE_FAILED, error=error))
    assert isinstance(update.error, OutOfMemory)
    assert update.error.metadata == {"needed_bytes": "9"}


def test_a_cancelled_job_says_so_even_without_an_error() -> None:
    update = jobs.job_to_update(job(state=job_service_pb2.JOB_STATE_CANCELLED))
    assert isinstance(update.error, JobCancelled)


def test_a_stage_of_a_newer_daemon_keeps_the_plans_indices() -> None:
    plan = [job_service_pb2.PlannedStage(kind=77), job_service_pb2.PlannedStage(kind=4, steps=9)]  # type: ignore[arg-type]
    update = jobs.job_to_update(job(state=2, plan=plan))
    assert [stage.kind for stage in update.plan] == [StageKind.POST_PROCESSING, StageKind.DENOISING]


def test_a_state_of_a_newer_daemon_is_an_error_that_says_update() -> None:
    with pytest.raises(UnderpaintError, match="update"):
        jobs.job_to_update(job(state=42))


@pytest.mark.parametrize("priority", Priority)
def test_priorities_there_and_back(priority: Priority) -> None:
    assert jobs.priority_from(jobs.PRIORITIES[priority]) is priority


def test_an_unset_priority_means_interactive() -> None:
    assert jobs.priority_from(0) is Priority.INTERACTIVE


@given(st.integers(0, 1000), st.integers(1, 4), st.integers(1, 4))
def test_a_preview_is_the_same_after_the_journey(step: int, width: int, height: int) -> None:
    preview = Preview(step, width, height, bytes(width * height * 3))
    assert jobs.preview_from(jobs.preview_to_message(preview)) == preview


@given(
    name=st.text(min_size=1, max_size=128),
    parameters=st.dictionaries(
        st.text(max_size=20), st.floats(allow_nan=False, allow_infinity=False), max_size=8
    ),
    output=st.none() | st.just(MASK_FORMAT) | st.just(PixelFormat()),
)
def test_a_preprocessing_arrives_whole(
    name: str, parameters: dict[str, float], output: PixelFormat | None
) -> None:
    request = PreprocessRequest(image=IMAGE, preprocessor=name, parameters=parameters, output=output)
    spec = job_service_pb2.JobSpec.FromString(jobs.request_to_spec(request, BLOB).SerializeToString())
    assert spec.WhichOneof("operation") == "preprocess"
    assert (spec.preprocess.image, spec.preprocess.preprocessor) == (BLOB, name)
    assert dict(spec.preprocess.parameters) == parameters
    assert spec.HasField("output_layout") is (output is not None)


def test_post_processors_keep_their_order() -> None:
    spec = jobs.request_to_spec(GenerateRequest(postprocess=("sharpen", "match-colors", "sharpen")))
    assert list(spec.postprocess) == ["sharpen", "match-colors", "sharpen"]
