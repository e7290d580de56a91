"""A job's way through a real daemon and a real (scripted) worker process."""

from __future__ import annotations

import asyncio
import hashlib
from itertools import pairwise

import pytest

from tests.unit.daemon.harness import SOON_S, Caller, Home, connect, image_layout, mask_layout
from underpaint.errors import (
    InvalidRequest,
    JobNotFound,
    LimitExceeded,
    RequestIdReused,
)
from underpaint.v1 import job_service_pb2 as pb
from underpaint.v1.model_service_pb2 import YieldMemoryRequest
from underpaint.v1.server_service_pb2 import GetServerInfoRequest
from underpaint.wire.status import status_to_error

QUEUED, RUNNING = pb.JOB_STATE_QUEUED, pb.JOB_STATE_RUNNING
SUCCEEDED, FAILED, CANCELLED = pb.JOB_STATE_SUCCEEDED, pb.JOB_STATE_FAILED, pb.JOB_STATE_CANCELLED


async def cancel(caller: Caller, name: str) -> pb.CancelJobResponse:
    response: pb.CancelJobResponse = await caller.call(caller.jobs.CancelJob, pb.CancelJobRequest(name=name))
    return response


async def test_a_job_succeeds_and_its_result_can_be_read(running: Home, caller: Caller) -> None:
    job = await caller.submit("steps=3")
    done = await caller.finish(job.name)
    assert done.state == SUCCEEDED, done
    assert done.resolved.HasField("seed")
    assert done.resolved.text_to_image.width_px == 64
    assert done.progress.fraction == 1.0
    assert done.engine_version == "scripted 1"
    assert list(done.notes) == ["made by a script"]
    assert done.create_time.ToNanoseconds() <= done.start_time.ToNanoseconds()
    assert done.start_time.ToNanoseconds() <= done.end_time.ToNanoseconds()
    result = done.results[0]
    assert (result.image.x_px, result.image.y_px) == (3, -4)
    pixels = await caller.download(result.image.blob)
    assert hashlib.sha256(pixels).hexdigest() == result.sha256
    assert not list(running.pixels.glob("output-*"))


async def test_inputs_reach_the_worker_and_go_when_the_job_is_done(running: Home, caller: Caller) -> None:
    image = await caller.upload(image_layout(40, 24), b"\1" * (40 * 24 * 4))
    mask = await caller.upload(mask_layout(40, 24), b"\xff" * (40 * 24))
    spec = pb.JobSpec(prompt="hold=0", seed=5)
    spec.inpaint.image.blob, spec.inpaint.mask.blob = image, mask
    job = await caller.submit(spec=spec)
    from underpaint.v1.blob_service_pb2 import ReleaseBlobRequest

    for name in (image, mask):
        await caller.call(caller.blobs.ReleaseBlob, ReleaseBlobRequest(name=name))
    assert len(list(running.pixels.glob("*.px"))) == 2
    running.let_go(job.name, 0)
    done = await caller.finish(job.name)
    assert (done.results[0].layout.width_px, done.results[0].layout.height_px) == (40, 24)
    assert done.resolved.result_form == pb.RESULT_FORM_LAYER
    assert [path.stem for path in running.pixels.glob("*.px")] == [done.results[0].image.blob[6:]]


async def test_a_watcher_sees_every_change_once_and_the_share_never_falls(shared: Caller) -> None:
    job = await shared.submit("steps=6 hold=0")
    seen = []
    async for response in shared.stream(shared.jobs.WatchJob, pb.WatchJobRequest(name=job.name)):
        seen.append(response.job)
        shared.home.let_go(job.name, 0)
    assert seen[-1].state == SUCCEEDED
    assert all(after.sequence == before.sequence + 1 for before, after in pairwise(seen))
    assert all(after.state >= before.state for before, after in pairwise(seen))
    shares = [found.progress.fraction for found in seen]
    assert shares == sorted(shares)
    steps = [found.progress.step for found in seen if found.progress.stage_index == 2]
    assert [step for step in dict.fromkeys(steps) if step] == [1, 2, 3, 4, 5, 6]


async def test_watching_can_be_resumed_after_a_sequence(shared: Caller) -> None:
    job = await shared.submit("steps=20 hold=3")
    middle = await shared.until(job.name, RUNNING, step=3)
    shared.home.let_go(job.name, 3)
    rest = [response.job for response in await shared.watch(job.name, after=middle.sequence)]
    assert rest[0].sequence > middle.sequence
    assert rest[-1].state == SUCCEEDED
    assert await shared.watch(job.name, after=rest[-1].sequence) == []
    (again,) = await shared.watch(job.name, after=rest[-1].sequence - 1)
    assert again.job == rest[-1]


async def test_previews_are_for_those_who_ask_and_stale_ones_are_dropped(shared: Caller) -> None:
    job = await shared.submit("steps=10 hold=0,1,2,3")
    silent = asyncio.create_task(shared.watch(job.name))
    asked, steps = [], []
    request = pb.WatchJobRequest(name=job.name, previews=True)
    async for response in shared.stream(shared.jobs.WatchJob, request):
        asked.append(response)
        if response.HasField("preview"):
            steps.append(response.preview.step)
        shared.home.let_go(job.name, steps[-1] if steps else 0)
    assert steps[:3] == [1, 2, 3]
    assert steps == sorted(set(steps))
    assert not any(response.HasField("preview") for response in await silent)
    assert asked[-1].job.state == SUCCEEDED


async def test_cancelling_a_running_job_ends_it_within_a_step(running: Home, caller: Caller) -> None:
    job = await caller.submit("steps=1000000 step_s=0.01")
    await caller.until(job.name, RUNNING, step=2)
    answer = await cancel(caller, job.name)
    assert answer.found == RUNNING
    done = await caller.finish(job.name)
    assert done.state == CANCELLED
    assert status_to_error(done.error).reason == "JOB_CANCELLED"
    assert done.progress.fraction < 1.0
    again = await cancel(caller, job.name)
    assert (again.found, again.job.state) == (CANCELLED, CANCELLED)
    assert not list(running.pixels.iterdir())


async def test_cancelling_at_once_wins_against_the_start(shared: Caller) -> None:
    for _ in range(10):
        job = await shared.submit("steps=1000000 step_s=0.01")
        await cancel(shared, job.name)
        assert (await shared.finish(job.name)).state == CANCELLED


async def test_live_overtakes_interactive_overtakes_batch_and_a_queued_job_can_be_cancelled(
    home: Home,
) -> None:
    with home.daemon(UNDERPAINT_JOBS_PER_WORKER="1"):
        caller = connect(home)
        first = await caller.submit("steps=3 hold=1")
        await caller.until(first.name, RUNNING, step=1)
        batch = await caller.submit("n=batch", priority=pb.PRIORITY_BATCH)
        normal = await caller.submit("n=normal")
        doomed = await caller.submit("n=doomed")
        live = await caller.submit("n=live", priority=pb.PRIORITY_LIVE)
        positions = [(await caller.get(job.name)).progress.queue_position for job in (live, normal, batch)]
        assert positions == [0, 1, 3]
        answer = await cancel(caller, doomed.name)
        assert (answer.found, answer.job.state) == (QUEUED, CANCELLED)
        assert (await caller.get(batch.name)).progress.queue_position == 2
        home.let_go(first.name, 1)
        for job in (first, batch, normal, live):
            assert (await caller.finish(job.name)).state == SUCCEEDED
        ran = [line.split(" n=")[1] for line in home.ledger.read_text().splitlines() if " n=" in line]
        assert ran == ["live", "normal", "batch"]
        await caller.channel.close()


async def test_several_jobs_share_one_worker_up_to_its_slots(shared: Caller) -> None:
    jobs = [await shared.submit("steps=3 hold=1") for _ in range(6)]
    for job in jobs[:4]:
        await shared.until(job.name, RUNNING, step=1)
    states = [(await shared.get(job.name)).state for job in jobs]
    assert states == [RUNNING] * 4 + [QUEUED] * 2
    info = await shared.call(shared.server.GetServerInfo, GetServerInfoRequest())
    assert (info.workers[0].state, info.active_jobs) == ("busy", 6)
    for job in jobs:
        shared.home.let_go(job.name, 1)
    for job in jobs:
        assert (await shared.finish(job.name)).state == SUCCEEDED


async def test_the_same_request_id_gives_the_same_job_and_another_specification_is_refused(
    shared: Caller,
) -> None:
    submitted = await asyncio.gather(*(shared.submit("steps=2", request_id="r1") for _ in range(5)))
    assert len({job.name for job in submitted}) == 1
    done = await shared.finish(submitted[0].name)
    assert (await shared.submit("steps=2", request_id="r1")) == done
    with pytest.raises(RequestIdReused, match="'r1'") as raised:
        await shared.submit("steps=3", request_id="r1")
    assert raised.value.metadata["job"] == done.name
    other = pb.JobOrigin(client_id="somebody else")
    assert (await shared.submit("steps=3", request_id="r1", origin=other)).name != done.name


async def test_a_client_has_a_limit_of_jobs(home: Home) -> None:
    with home.daemon(UNDERPAINT_MAX_JOBS_PER_CLIENT="2"):
        caller = connect(home)
        first = await caller.submit("hold=0")
        await caller.submit("hold=0")
        with pytest.raises(LimitExceeded, match="cancel some") as raised:
            await caller.submit("one too many")
        assert raised.value.metadata == {"limit": "jobs_per_client", "maximum": "2"}
        await caller.submit("steps=1", origin=pb.JobOrigin(client_id="another"))
        crowd = pb.JobOrigin(client_id="a crowd")
        at_once = (caller.submit("hold=0", origin=crowd) for _ in range(6))
        outcomes = await asyncio.gather(*at_once, return_exceptions=True)
        assert sum(isinstance(outcome, LimitExceeded) for outcome in outcomes) == 4
        await cancel(caller, first.name)
        await caller.finish(first.name)
        await caller.submit("steps=1")
        await caller.channel.close()


async def test_jobs_are_listed_by_pages_and_filters_with_their_present_state(shared: Caller) -> None:
    names = []
    for number in range(5):
        origin = pb.JobOrigin(client_id=f"c{number % 2}", document_id="d", host_context=b"\0\xff", title="t")
        names.append((await shared.submit("steps=1", origin=origin)).name)
    for name in names:
        await shared.finish(name)
    pages, token = [], ""
    while True:
        request = pb.ListJobsRequest(page_size=2, page_token=token, document_id="d")
        response = await shared.call(shared.jobs.ListJobs, request)
        pages.append([job.name for job in response.jobs])
        token = response.next_page_token
        if not token:
            break
    assert pages == [[names[4], names[3]], [names[2], names[1]], [names[0]]]
    mine = await shared.call(shared.jobs.ListJobs, pb.ListJobsRequest(client_id="c1", document_id="d"))
    assert [job.name for job in mine.jobs] == [names[3], names[1]]
    assert mine.jobs[0].origin.host_context == b"\0\xff"
    for bad in (pb.ListJobsRequest(page_size=1001), pb.ListJobsRequest(page_token="!")):
        with pytest.raises(InvalidRequest):
            await shared.call(shared.jobs.ListJobs, bad)


async def test_a_page_of_jobs_with_large_contexts_stays_below_four_mebibytes(shared: Caller) -> None:
    origin = pb.JobOrigin(client_id="talkative", host_context=b"x" * 65536)
    submitted = [(await shared.submit("steps=1", origin=origin)).name for _ in range(50)]
    seen, token = [], ""
    while True:
        request = pb.ListJobsRequest(page_token=token, client_id="talkative")
        response = await shared.call(shared.jobs.ListJobs, request)
        assert response.ByteSize() < 4 << 20
        seen += [job.name for job in response.jobs]
        token = response.next_page_token
        if not token:
            break
    assert seen == submitted[::-1]
    for name in submitted:
        assert (await shared.finish(name)).state == SUCCEEDED


async def test_deleting_forgets_a_finished_job_and_its_pixels(running: Home, caller: Caller) -> None:
    job = await caller.submit("hold=0")
    with pytest.raises(InvalidRequest, match="cancel it first"):
        await caller.call(caller.jobs.DeleteJob, pb.DeleteJobRequest(name=job.name))
    await cancel(caller, job.name)
    job = await caller.finish((await caller.submit("steps=1")).name)
    assert list(running.pixels.glob("*.px"))
    for _ in range(2):
        await caller.call(caller.jobs.DeleteJob, pb.DeleteJobRequest(name=job.name))
    assert not list(running.pixels.glob("*.px"))
    with pytest.raises(JobNotFound, match="List the jobs"):
        await caller.get(job.name)
    with pytest.raises(JobNotFound):
        await caller.watch(job.name)
    with pytest.raises(JobNotFound):
        await cancel(caller, job.name)


async def test_a_job_may_be_cancelled_when_nobody_watches_it_any_more(shared: Caller) -> None:
    kept = await shared.submit("steps=3 hold=1")
    doomed = await shared.submit("steps=3 hold=1", cancel_when_unwatched=True)
    for job in (kept, doomed):
        await shared.until(job.name, RUNNING, step=1)
    until = asyncio.get_running_loop().time() + SOON_S
    while (await shared.get(doomed.name)).state != CANCELLED:
        assert asyncio.get_running_loop().time() < until
        await asyncio.sleep(0.02)
    shared.home.let_go(kept.name, 1)
    assert (await shared.finish(kept.name)).state == SUCCEEDED


async def test_a_job_lives_on_while_one_of_two_streams_watches_it(shared: Caller) -> None:
    job = await shared.submit("steps=40 step_s=0.01 hold=2", cancel_when_unwatched=True)
    other = await shared.watched(job.name)
    await shared.until(job.name, RUNNING, step=2)
    shared.home.let_go(job.name, 2)
    assert (await other).state == SUCCEEDED


WRONG = [
    ("fail=OUT_OF_MEMORY", "OUT_OF_MEMORY", "the script says so"),
    ("garbage=stage", "INTERNAL", "stage 99"),
    ("garbage=file", "INTERNAL", "escape"),
    ("garbage=size", "INTERNAL", "bytes, not"),
    ("garbage=layout", "INTERNAL", "layout"),
    ("garbage=none", "INTERNAL", "without a picture"),
    ("garbage=nothing", "INTERNAL", "without a result"),
    ("refuse=1", "INTERNAL", "I do not run this"),
]


async def test_what_goes_wrong_in_a_worker_is_the_jobs_error_and_nothing_is_left_behind(
    running: Home, caller: Caller
) -> None:
    jobs = [await caller.submit(prompt) for prompt, _, _ in WRONG]
    for job, (prompt, reason, message) in zip(jobs, WRONG, strict=True):
        done = await caller.finish(job.name)
        assert done.state == FAILED, prompt
        error = status_to_error(done.error)
        assert error.reason == reason, prompt
        assert message in error.message
    assert not list(running.pixels.iterdir())
    assert (await caller.finish((await caller.submit("steps=1")).name)).state == SUCCEEDED


async def test_a_job_whose_worker_crashed_is_run_once_more(running: Home, caller: Caller) -> None:
    job = await caller.submit("steps=4 crash=once hold=0")
    seen = []
    async for response in caller.stream(caller.jobs.WatchJob, pb.WatchJobRequest(name=job.name)):
        seen.append(response.job)
        running.let_go(job.name, 0)
    assert seen[-1].state == SUCCEEDED
    states = [found.state for found in seen]
    assert QUEUED in states[states.index(RUNNING) :]
    shares = [found.progress.fraction for found in seen]
    assert shares == sorted(shares)
    info = await caller.call(caller.server.GetServerInfo, GetServerInfoRequest())
    assert info.workers[0].restarts == 1


async def test_a_job_that_kills_every_worker_fails_and_takes_nobody_with_it(shared: Caller) -> None:
    innocent = [await shared.submit("steps=3 hold=1") for _ in range(2)]
    for job in innocent:
        await shared.until(job.name, RUNNING, step=1)
    killer = await shared.submit("steps=4 hold=0 crash=always")
    ran = False
    async for response in shared.stream(shared.jobs.WatchJob, pb.WatchJobRequest(name=killer.name)):
        done = response.job
        shared.home.let_go(killer.name, 0)
        ran = ran or done.state == RUNNING
        if ran and done.state == QUEUED:
            # The first crash took their worker: each runs once more, the killer after them.
            for job in innocent:
                shared.home.let_go(job.name, 1)
    assert ran
    assert done.state == FAILED
    error = status_to_error(done.error)
    assert error.reason == "WORKER_LOST"
    assert "exit code 41" in error.message
    assert "worker-auto.log" in error.message
    for job in innocent:
        assert (await shared.finish(job.name)).state == SUCCEEDED


async def test_a_stuck_cancel_does_not_hold_up_others(shared: Caller) -> None:
    stuck = await shared.submit("steps=3 hold=1 hang=1")
    await shared.until(stuck.name, RUNNING, step=1)
    await cancel(shared, stuck.name)
    assert (await shared.finish((await shared.submit("steps=1")).name)).state == SUCCEEDED
    shared.home.let_go(stuck.name, 1)
    # The worker finished what it was told to stop: the picture is there, so it is not thrown away.
    assert (await shared.finish(stuck.name)).state == SUCCEEDED


async def test_a_worker_that_never_stops_a_cancelled_job_is_ended_and_replaced(home: Home) -> None:
    with home.daemon(UNDERPAINT_CANCEL_PATIENCE_S="0.5"):
        caller = connect(home)
        frozen = await caller.submit("steps=4 freeze=1")
        await caller.until(frozen.name, RUNNING, step=1)
        neighbour = await caller.submit("steps=2")
        await cancel(caller, frozen.name)
        assert (await caller.finish(frozen.name)).state == CANCELLED
        assert (await caller.finish(neighbour.name)).state == SUCCEEDED
        info = await caller.call(caller.server.GetServerInfo, GetServerInfoRequest())
        assert info.workers[0].restarts == 1
        await caller.channel.close()


async def test_models_can_be_loaded_and_unloaded(shared: Caller) -> None:
    from underpaint.v1.model_service_pb2 import ListModelsRequest, LoadModelRequest, UnloadModelRequest

    async def loaded() -> dict[str, bool]:
        response = await shared.call(shared.models.ListModels, ListModelsRequest())
        assert (response.default_model, response.default_inpaint_model) == ("tiny", "tiny")
        return {model.name: model.loaded for model in response.models}

    async def until_loaded(expected: bool) -> None:
        # A worker that is busy for longer than it is waited for does not say what it holds.
        until = asyncio.get_running_loop().time() + SOON_S
        while await loaded() != {"tiny": expected}:
            assert asyncio.get_running_loop().time() < until
            await asyncio.sleep(0.02)

    answer = await shared.call(shared.models.LoadModel, LoadModelRequest(name="tiny"))
    assert answer.model.loaded
    await until_loaded(True)
    await shared.call(shared.models.UnloadModel, UnloadModelRequest())
    await until_loaded(False)


async def test_memory_is_given_back_with_a_figure_and_a_pause_has_its_limit(shared: Caller) -> None:
    done = await shared.finish((await shared.submit("steps=1")).name)
    assert done.state == SUCCEEDED
    ask = shared.models.YieldMemory
    freed = await shared.call(ask, YieldMemoryRequest(ram=True, pause_seconds=7))
    assert (freed.device_bytes, freed.ram_bytes) == (5 << 30, 7)
    with pytest.raises(InvalidRequest, match="pause_seconds is 3601"):
        await shared.call(ask, YieldMemoryRequest(pause_seconds=3601))
