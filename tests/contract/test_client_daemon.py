"""The client against the real daemon with a real engine and a tiny model."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.folders import emptied
from tests.support.installation import Installation
from underpaint import errors
from underpaint.client import Client, connect
from underpaint.types import (
    MASK_FORMAT,
    GenerateRequest,
    Image,
    JobOrigin,
    JobState,
    JobUpdate,
    Preview,
    ResultForm,
    StageKind,
)
from underpaint.wire.discovery import read_discovery, write_discovery, write_launcher

EDGE = 64
REQUEST = GenerateRequest(prompt="old brick wall", model="tiny", seed=7, steps=4, width=EDGE, height=EDGE)
# Half a minute alone: still running whenever a test looks.
LONG = dataclasses.replace(REQUEST, steps=900, scheduler="heun", width=256, height=256)


@pytest.fixture
def here(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """This process looks where the installation lies."""
    for name, value in installation.places.items():
        monkeypatch.setenv(name, value)
    return installation


@pytest.fixture(params=["auto", "chunks"])
def client(here: Installation, request: pytest.FixtureRequest) -> Iterator[Client]:
    with connect(start=False, pixels=request.param) as connected:
        yield connected


def picture(edge: int = EDGE) -> bytes:
    return (
        bytes((x * 3 + y * 5 + c * 70) % 256 for y in range(edge) for x in range(edge) for c in range(3))
        + b""
    )


def rgba(edge: int = EDGE) -> bytes:
    rgb = picture(edge)
    return b"".join(rgb[at : at + 3] + b"\xff" for at in range(0, len(rgb), 3))


def test_a_job_from_request_to_picture_and_the_same_seed_gives_the_same(client: Client) -> None:
    seen: list[JobUpdate | Preview] = []
    job = client.submit(REQUEST)
    final = job.wait(120, on_update=seen.append, on_preview=seen.append)
    updates = [item for item in seen if isinstance(item, JobUpdate)]
    assert final.state is JobState.SUCCEEDED
    assert StageKind.DENOISING in {stage.kind for stage in final.plan}
    fractions = [update.progress.fraction for update in updates]
    assert fractions == sorted(fractions)
    assert final.resolved["seed"] == 7
    assert final.model_sha256
    first = job.fetch()[0]
    again = client.submit(REQUEST)
    again.wait(120)
    assert bytes(again.fetch()[0].data) == bytes(first.data)
    other = client.submit(dataclasses.replace(REQUEST, seed=8))
    other.wait(120)
    assert bytes(other.fetch()[0].data) != bytes(first.data)


def test_inpainting_leaves_every_byte_outside_the_mask(client: Client) -> None:
    mask = bytes(255 * (20 < x < 45 and 18 < y < 40) for y in range(EDGE) for x in range(EDGE))
    source = rgba()
    request = GenerateRequest(
        prompt="moss",
        seed=3,
        steps=3,
        image=Image(EDGE, EDGE, source, x=11, y=-7),
        mask=Image(EDGE, EDGE, mask, MASK_FORMAT, x=11, y=-7),
        form=ResultForm.MERGED,
        grow=0.0,
        feather=0.0,
    )
    job = client.submit(request)
    job.wait(120)
    (result,) = job.fetch()
    assert (result.x, result.y, result.width, result.height) == (11, -7, EDGE, EDGE)
    outside = [at for at in range(EDGE * EDGE) if not mask[at]]
    inside = [at for at in range(EDGE * EDGE) if mask[at]]
    pixels = bytes(result.data)
    assert all(pixels[at * 4 : at * 4 + 4] == source[at * 4 : at * 4 + 4] for at in outside)
    assert any(pixels[at * 4 : at * 4 + 4] != source[at * 4 : at * 4 + 4] for at in inside)


def test_megabytes_go_up_and_come_down_unchanged(client: Client) -> None:
    pixels = os.urandom(1536 * 1024 * 4)
    ref = client.upload(Image(1536, 1024, pixels))
    assert client.download(ref).data == pixels
    client.release(ref)


@pytest.mark.parametrize(
    ("request_", "error", "words"),
    [
        (dataclasses.replace(REQUEST, model="sdxl"), errors.ModelNotFound, "tiny"),
        (dataclasses.replace(REQUEST, width=EDGE + 1), errors.InvalidRequest, "multiple"),
        (dataclasses.replace(REQUEST, scheduler="magic"), errors.InvalidRequest, "scheduler"),
        (
            GenerateRequest(
                image=Image(EDGE, EDGE, rgba()), mask=Image(EDGE, EDGE, bytes(EDGE * EDGE), MASK_FORMAT)
            ),
            errors.InvalidRequest,
            "mask",
        ),
    ],
)
def test_bad_input_is_a_typed_error_that_says_what_to_do(
    client: Client, request_: GenerateRequest, error: type[errors.UnderpaintError], words: str
) -> None:
    before = {job.name for job in client.jobs()}
    with pytest.raises(error, match=words):
        client.submit(request_)
    assert {job.name for job in client.jobs()} == before


def test_cancelling_ends_a_job_soon(client: Client) -> None:
    job = client.submit(LONG)
    for item in job.watch():
        if isinstance(item, JobUpdate) and item.state is JobState.RUNNING:
            break
    job.cancel()
    with pytest.raises(errors.JobCancelled):
        job.wait(120)
    # By its work and not by a clock: a loaded machine is slow at both.
    assert job.status().progress.fraction < 0.5


def test_jobs_are_found_by_document_and_forgotten_when_deleted(client: Client) -> None:
    document = f"doc-{time.monotonic_ns()}"
    job = client.submit(REQUEST, origin=JobOrigin("test-1", document, b"\0\1", "brick"))
    (found,) = client.jobs(document_id=document)
    assert (found.name, found.origin.host_context) == (job.name, b"\0\1")
    job.wait(120)
    job.delete()
    job.delete()
    with pytest.raises(errors.JobNotFound):
        job.status()
    assert client.jobs(document_id=document) == []


def test_a_request_id_makes_a_repeated_submission_one_job(client: Client) -> None:
    request_id = f"request-{time.monotonic_ns()}"
    first = client.submit(REQUEST, request_id=request_id)
    assert client.submit(REQUEST, request_id=request_id).name == first.name
    with pytest.raises(errors.RequestIdReused):
        client.submit(dataclasses.replace(REQUEST, seed=9), request_id=request_id)
    first.wait(120)


def test_the_daemon_describes_itself_its_models_and_its_plug_ins(client: Client, here: Installation) -> None:
    info = client.server_info()
    assert here.daemon is not None and info.pid == here.daemon.pid
    models = client.models()
    assert {"tiny", "tiny-inpaint"} <= {model.name for model in models.models}
    assert client.load_model("tiny").loaded
    client.unload_model("tiny")
    loaded = client.models().get("tiny")
    assert loaded is not None and not loaded.loaded
    client.load_model("tiny")
    freed = client.yield_memory(ram=True)
    assert freed.ram_bytes > 100_000 and freed.device_bytes == 0
    loaded = client.models().get("tiny")
    assert loaded is not None and not loaded.loaded
    assert any(plugin.name == "sd15" and not plugin.problem for plugin in client.plugins())


def test_a_wrong_token_is_refused(here: Installation) -> None:
    found = read_discovery()
    assert found is not None
    with pytest.raises(errors.TokenRefused):
        connect(address=found.address, token="00" * 32)
    write_discovery(dataclasses.replace(found, token="00" * 32))
    try:
        with pytest.raises(errors.TokenRefused):
            connect(start=False)
    finally:
        write_discovery(found)


def test_nothing_is_left_in_the_pixel_folder_when_jobs_are_deleted(here: Installation) -> None:
    with connect(start=False) as client:
        for job in client.jobs():
            client.delete(job.name)
        job = client.submit(GenerateRequest(image=Image(EDGE, EDGE, rgba()), seed=1, steps=2, strength=0.5))
        job.wait(120)
        job.fetch()
        job.delete()
    emptied(here.folder / "state" / "pixels")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 12 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=12m,mode=700", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_pixel_folder_is_storage_full_and_never_a_signal(
    small_disk: Path, empty_installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty_installation.environ["UNDERPAINT_PIXEL_DIR"] = str(small_disk)
    empty_installation.serve()
    for name, value in empty_installation.places.items():
        monkeypatch.setenv(name, value)
    half = Image(1024, 1536, os.urandom(6 << 20))
    for pixels in ("auto", "chunks"):
        with connect(start=False, pixels=pixels) as client:
            kept = client.upload(half)
            with pytest.raises(errors.StorageFull, match="UNDERPAINT_PIXEL_DIR"):
                client.upload(Image(2048, 1024, bytes(8 << 20)))
            assert client.download(kept).data == half.data
    emptied(small_disk)


def test_a_client_finds_none_starts_one_and_survives_its_death(
    empty_installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in empty_installation.environ.items():
        monkeypatch.setenv(name, value)
    write_launcher([sys.executable, "-m", "underpaint", "serve"])
    with connect(timeout=180, reconnect_for=180) as client:
        first = client.server_info().pid
        job = client.submit(REQUEST)
        job.wait(120)
        kept = bytes(job.fetch()[0].data)
        os.kill(first, signal.SIGKILL)
        assert client.server_info().pid != first
        assert bytes(client.job(job.name).fetch()[0].data) == kept
        assert Path(empty_installation.runtime / "daemon.json").exists()
        client.shutdown()
