"""Regions on their way through a real daemon with a scripted worker."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.unit.daemon.harness import (
    Caller,
    Home,
    connect,
    image_layout,
    mask_layout,
    write_control,
    write_model,
)
from underpaint.daemon.runner import inputs_of
from underpaint.errors import BlobNotFound, InvalidRequest, LimitExceeded
from underpaint.v1 import job_service_pb2 as pb
from underpaint.v1 import model_service_pb2


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home(tmp_path_factory.mktemp("home"))
    write_model(home.models, "tiny")
    write_control(home.models, "lines", "line-art")
    with home.daemon(UNDERPAINT_MAX_STEP_PIXELS=str(64 * 64 * 100)):
        yield home
    shutil.rmtree(home.runtime, ignore_errors=True)


@pytest.fixture
async def caller(home: Home) -> AsyncIterator[Caller]:
    caller = connect(home)
    yield caller
    await caller.channel.close()


async def region(caller: Caller, prompt: str = "moss", *, x: int = 0, control: bool = False) -> pb.Region:
    made = pb.Region(prompt=prompt)
    made.mask.blob, made.mask.x_px = await caller.upload(mask_layout(32, 64), b"\xff" * (32 * 64)), x
    if control:
        drawing = made.controls.add(role="line-art")
        drawing.image.blob = await caller.upload(image_layout(64, 64), b"\x80" * (64 * 64 * 4))
    return made


async def submit(caller: Caller, *regions: pb.Region, steps: int = 0) -> pb.Job:
    size = pb.TextToImage(width_px=64, height_px=64)
    return await caller.submit(spec=pb.JobSpec(text_to_image=size, regions=regions, steps=steps))


async def test_masks_are_held_and_controls_become_the_pictures_own(caller: Caller) -> None:
    steered, plain = await region(caller, control=True), await region(caller, "sky")
    drawing = steered.controls[0].image.blob
    job = await submit(caller, steered, plain)
    assert [one.strength for one in job.resolved.regions] == [1.0, 1.0]
    (control,) = job.resolved.controls
    assert (control.model, control.mask) == ("lines", steered.mask)
    assert inputs_of(job.resolved) == [drawing, steered.mask.blob, plain.mask.blob]
    done = await caller.finish(job.name)
    assert done.state == pb.JOB_STATE_SUCCEEDED, done.error
    assert done.spec.regions[0].controls


async def test_a_region_beside_the_picture_is_no_mistake_and_loses_its_controls(caller: Caller) -> None:
    job = await submit(caller, await region(caller, x=64, control=True))
    assert not job.resolved.controls and len(job.resolved.regions) == 1
    assert (await caller.finish(job.name)).state == pb.JOB_STATE_SUCCEEDED


async def test_a_mask_must_be_there_and_have_one_channel(caller: Caller) -> None:
    lost = pb.Region(prompt="moss")
    lost.mask.blob = "blobs/no-such"
    with pytest.raises(BlobNotFound):
        await submit(caller, lost)
    coloured = pb.Region(prompt="moss")
    coloured.mask.blob = await caller.upload(image_layout(64, 64), bytes(64 * 64 * 4))
    with pytest.raises(InvalidRequest, match="must have one channel, got rgba") as caught:
        await submit(caller, await region(caller), coloured)
    assert caught.value.violations[0].field == "spec.regions[1].mask"


async def test_a_region_counts_as_one_more_picture_of_what_the_daemon_takes(caller: Caller) -> None:
    first, second = await region(caller), await region(caller, "sky")
    assert (await submit(caller, first, steps=50)).resolved.steps == 50
    with pytest.raises(LimitExceeded, match="and 8192 beside, for regions.*fewer regions") as caught:
        await submit(caller, first, second, steps=50)
    assert caught.value.metadata["limit"] == "step_pixels"


async def test_the_list_says_which_models_take_regions(caller: Caller) -> None:
    request = model_service_pb2.ListModelsRequest()
    answer = await caller.call(caller.models.ListModels, request)
    assert [model.regions for model in answer.models] == [True]
