"""Jobs through the blocking face."""

from __future__ import annotations

import threading

import pytest

from tests.unit.client.waiting import SOON_S, eventually
from underpaint import errors
from underpaint.client import Client
from underpaint.host.protocol import ClientProtocol, JobHandle
from underpaint.testing.fake_daemon import FakeDaemon, Script
from underpaint.testing.fake_pictures import color_of
from underpaint.types import (
    MASK_FORMAT,
    Alpha,
    Channels,
    DataType,
    FreedMemory,
    GenerateRequest,
    Image,
    JobOrigin,
    JobState,
    JobUpdate,
    PixelFormat,
    PreprocessRequest,
    Preview,
    Priority,
    ResultForm,
    RowOrder,
    StageKind,
)

REQUEST = GenerateRequest(prompt="old brick wall", seed=7)


def test_it_is_the_client_that_the_host_side_asks_for(client: Client) -> None:
    asked: ClientProtocol = client
    handle: JobHandle = asked.submit(REQUEST)
    assert handle.wait(SOON_S).state is JobState.SUCCEEDED


def test_a_job_tells_its_stages_and_gives_its_picture(client: Client, daemon: FakeDaemon) -> None:
    daemon.script = Script(hang_at_step=3)
    updates: list[JobUpdate] = []
    previews: list[Preview] = []

    def on_preview(preview: Preview) -> None:
        previews.append(preview)
        daemon.go_on()

    job = client.submit(REQUEST)
    final = job.wait(SOON_S, on_update=updates.append, on_preview=on_preview)
    assert final.state is JobState.SUCCEEDED
    assert [update.sequence for update in updates] == sorted({update.sequence for update in updates})
    assert StageKind.DENOISING in {update.stage for update in updates}
    assert updates[-1].progress.fraction == 1.0
    assert previews and previews[-1].rgb == bytes(color_of(final_spec(daemon, job.name))) * 64
    (image,) = job.fetch()
    assert image.bounds.width == image.bounds.height == 64
    assert bytes(image.data[:4]) == bytes((*color_of(final_spec(daemon, job.name)), 255))
    assert final.resolved["seed"] == 7


def final_spec(daemon: FakeDaemon, name: str):  # type: ignore[no-untyped-def]  # a protobuf message
    return daemon.jobs.records[name].job.resolved


def test_an_image_keeps_its_place_layout_and_bytes_outside_the_mask(client: Client) -> None:
    format = PixelFormat(Channels.BGRA, DataType.U8, Alpha.STRAIGHT, row_order=RowOrder.BOTTOM_UP)
    pixels = bytes(range(256)) * 4
    mask_rows = [[255 * (1 < x < 5 and 2 < y < 7) for x in range(16)] for y in range(16)]
    request = GenerateRequest(
        prompt="moss",
        image=Image(16, 16, pixels, format, x=-5, y=9),
        mask=Image(16, 16, bytes(sum(mask_rows, [])), MASK_FORMAT, x=-5, y=9),
        output=format,
        form=ResultForm.MERGED,
    )
    job = client.submit(request)
    job.wait(SOON_S)
    (image,) = job.fetch()
    assert (image.x, image.y, image.format) == (-5, 9, format)
    for y in range(16):
        row = 15 - y
        for x in range(16):
            at = slice((row * 16 + x) * 4, (row * 16 + x + 1) * 4)
            assert (bytes(image.data[at]) == pixels[at]) == (mask_rows[y][x] == 0)


def test_rows_with_a_gap_travel_as_they_lie(client: Client) -> None:
    rgb = PixelFormat(Channels.RGB, alpha=Alpha.NONE)
    source = Image(3, 2, b"abcdefghi???ABCDEFGHI???", rgb, stride=12)
    ref = client.upload(source)
    back = client.download(ref)
    assert (back.stride, bytes(back.data)) == (12, source.data)


def test_a_preprocessing_is_submitted_like_a_picture(client: Client, daemon: FakeDaemon) -> None:
    image = Image(6, 4, bytes(96), x=-5, y=8)
    job = client.submit(
        PreprocessRequest(image=image, preprocessor="canny", parameters={"low": 5.0}),
        origin=JobOrigin(client_id="c", document_id="d"),
    )
    final = job.wait(SOON_S)
    assert final.resolved["preprocess"]["parameters"] == {"low": 5.0}  # type: ignore[index]
    assert final.origin.document_id == "d"
    (made,) = job.fetch()
    assert made.bounds == image.bounds
    with pytest.raises(errors.InvalidRequest, match="preprocessor"):
        client.submit(PreprocessRequest(image=image, preprocessor=""))


def test_a_failed_job_raises_its_own_error(client: Client, daemon: FakeDaemon) -> None:
    daemon.script = Script(error=errors.OutOfMemory("Try 512 px.", metadata={"needed_bytes": "9"}))
    job = client.submit(REQUEST)
    with pytest.raises(errors.OutOfMemory, match="512") as caught:
        job.wait(SOON_S)
    assert caught.value.metadata == {"needed_bytes": "9"}
    with pytest.raises(errors.OutOfMemory):
        job.fetch()


def test_cancelling_stops_a_running_job_and_may_be_repeated(client: Client, daemon: FakeDaemon) -> None:
    daemon.script = Script(hang_at_step=2)
    job = client.submit(REQUEST)
    eventually(lambda: job.status().progress.step)
    job.cancel()
    with pytest.raises(errors.JobCancelled):
        job.wait(SOON_S)
    assert job.cancel().state is JobState.CANCELLED
    assert client.cancel(job.name).state is JobState.CANCELLED


def test_cancelling_a_queued_job_ends_it_at_once(client: Client, daemon: FakeDaemon) -> None:
    daemon.script = Script(hang_at_step=1)
    first, second = client.submit(REQUEST), client.submit(REQUEST)
    assert second.cancel().state is JobState.CANCELLED
    daemon.go_on()
    assert first.wait(SOON_S).state is JobState.SUCCEEDED


def test_waiting_gives_up_in_time_and_the_job_goes_on(client: Client, daemon: FakeDaemon) -> None:
    daemon.script = Script(hang_at_step=1)
    job = client.submit(REQUEST)
    with pytest.raises(TimeoutError, match="goes on"):
        job.wait(0.2)
    daemon.go_on()
    assert job.wait(SOON_S).state is JobState.SUCCEEDED


def test_fetching_a_running_job_says_wait_first(client: Client, daemon: FakeDaemon) -> None:
    daemon.script = Script(hang_at_step=1)
    job = client.submit(REQUEST)
    with pytest.raises(errors.InvalidRequest, match="wait"):
        job.fetch()
    job.cancel()


def test_a_job_is_found_again_by_name_and_by_document(client: Client) -> None:
    origin = JobOrigin("krita-1", "doc-9", b"above layer 3", "brick")
    name = client.submit(REQUEST, origin=origin, priority=Priority.BATCH).name
    client.submit(REQUEST, origin=JobOrigin("gimp-1", "doc-9")).wait(SOON_S)
    (found,) = client.jobs(client_id="krita-1")
    assert (found.name, found.origin) == (name, origin)
    assert len(client.jobs(document_id="doc-9")) == len(client.jobs()) == 2
    again = client.job(name)
    assert again.wait(SOON_S).state is JobState.SUCCEEDED
    assert again.fetch()[0].width == 64


def test_jobs_come_in_pages_and_arrive_as_one_list(client: Client, daemon: FakeDaemon) -> None:
    names = [client.submit(GenerateRequest(seed=seed, steps=1)).name for seed in range(205)]
    assert [job.name for job in client.jobs()] == names[::-1]
    assert daemon.calls.count("ListJobs") == 2


def test_a_deleted_job_is_gone_with_its_pixels(client: Client, daemon: FakeDaemon) -> None:
    job = client.submit(REQUEST)
    job.wait(SOON_S)
    images = job.fetch()
    before = bytes(images[0].data)
    job.delete()
    job.delete()
    with pytest.raises(errors.JobNotFound, match="deleted"):
        job.status()
    assert bytes(images[0].data) == before
    del images
    eventually(lambda: not list(daemon.pixels.iterdir()))


def test_the_same_request_id_gives_the_same_job(client: Client) -> None:
    first = client.submit(REQUEST, request_id="a")
    assert client.submit(REQUEST, request_id="a").name == first.name
    with pytest.raises(errors.RequestIdReused) as caught:
        client.submit(GenerateRequest(prompt="other"), request_id="a")
    assert caught.value.metadata == {"job": first.name}


def test_an_invalid_request_uploads_nothing(client: Client, daemon: FakeDaemon) -> None:
    before = list(daemon.calls)
    image = Image(8, 8, bytes(256))
    with pytest.raises(errors.InvalidRequest) as caught:
        client.submit(GenerateRequest(image=image, strength=2.0, steps=0))
    assert {found.field for found in caught.value.violations} == {
        "spec.steps",
        "spec.image_to_image.strength",
    }
    assert daemon.calls == before


def test_what_only_the_daemon_knows_comes_back_typed_and_leaves_nothing(
    client: Client, daemon: FakeDaemon
) -> None:
    image = Image(8, 8, bytes(256))
    with pytest.raises(errors.ModelNotFound, match="choose one of fake"):
        client.submit(GenerateRequest(model="sdxl", image=image))
    with pytest.raises(errors.InvalidRequest, match="mask is empty"):
        client.submit(GenerateRequest(image=image, mask=Image(8, 8, bytes(64), MASK_FORMAT)))
    eventually(lambda: not list(daemon.pixels.iterdir()))


def test_many_threads_share_one_client(client: Client) -> None:
    pictures: dict[int, bytes] = {}

    def work(seed: int) -> None:
        job = client.submit(GenerateRequest(seed=seed))
        job.wait(SOON_S)
        pictures[seed] = bytes(job.fetch()[0].data[:4])

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * SOON_S)
    assert len(pictures) == 12
    assert len(set(pictures.values())) > 6


def test_a_callbacks_error_reaches_the_caller_and_ends_the_watching(
    client: Client, daemon: FakeDaemon
) -> None:
    daemon.script = Script(hang_at_step=1)
    job = client.submit(REQUEST)

    def refuse(update: JobUpdate) -> None:
        raise TimeoutError("the host is busy")

    with pytest.raises(TimeoutError, match="busy"):
        job.wait(SOON_S, on_update=refuse)
    daemon.go_on()
    assert job.wait(SOON_S).state is JobState.SUCCEEDED


def test_watching_may_begin_after_a_state_and_end_early(client: Client, daemon: FakeDaemon) -> None:
    daemon.script = Script(hang_at_step=3)
    job = client.submit(REQUEST)
    for item in job.watch():
        if isinstance(item, JobUpdate) and item.progress.step == 2:
            break
    daemon.go_on()
    assert isinstance(item, JobUpdate)
    rest = [update for update in job.watch(item.sequence) if isinstance(update, JobUpdate)]
    assert rest[0].sequence > item.sequence
    assert rest[-1].state is JobState.SUCCEEDED
    # A watcher who has seen the end already gets it once more, instead of waiting for ever.
    (last,) = client.watch(job.name, rest[-1].sequence)
    assert isinstance(last, JobUpdate) and last.state is JobState.SUCCEEDED


def test_models_plug_ins_and_the_daemon_itself(client: Client) -> None:
    assert client.models().get("fake") is not None
    assert client.models().default_inpaint_model == "fake"
    client.unload_model()
    assert not client.models().models[0].loaded
    assert client.load_model("fake").loaded
    assert client.yield_memory() == FreedMemory(1 << 30, 0)
    client.yield_memory(ram=True)
    assert not client.models().models[0].loaded
    assert client.plugins() == []
    assert client.server_info().version == "0.0.0.fake"
    assert client.shutdown() == 0
