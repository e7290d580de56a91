"""The worker as the daemon sees it: a process of its own behind a socket."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest

from tests.unit.engine.stock import RGB, disc, photo
from tests.unit.engine.worker_process import (
    Outcome,
    WorkerProcess,
    collect,
    image_ref,
    long_spec,
    pb,
    text_spec,
    wait_until,
)
from underpaint.errors import BlobNotFound, InvalidRequest, ModelUnusable, StorageFull, TokenRefused
from underpaint.types import MASK_FORMAT, Alpha, Channels, ColorSpace, DataType, PixelFormat, RowOrder
from underpaint.v1 import job_service_pb2, status_pb2
from underpaint.wire.headers import STATUS_HEADER, TOKEN_HEADER, bearer
from underpaint.wire.images import format_to_layout
from underpaint.wire.status import status_to_error
from underpaint.worker_v1 import worker_service_pb2_grpc

BLENDER = PixelFormat(
    Channels.RGBA, DataType.F32, Alpha.PREMULTIPLIED, ColorSpace.LINEAR_REC709, RowOrder.BOTTOM_UP
)


def inpaint(worker: WorkerProcess, model: Path, **fields: object) -> pb.RunJobRequest:
    spec = job_service_pb2.JobSpec(
        prompt="moss", seed=5, steps=3, guidance_scale=3.0, scheduler="ddim", **fields
    )
    spec.inpaint.image.CopyFrom(image_ref("blobs/i", 100, 200))
    spec.inpaint.mask.CopyFrom(image_ref("blobs/m", 100, 200))
    inputs = [
        worker.blob("blobs/i", photo(96, 80), RGB),
        worker.blob("blobs/m", disc(96, 80, 13.5, 50, 41), MASK_FORMAT),
    ]
    return worker.request(model, spec, inputs)


def test_a_text_job_tells_its_stages_and_leaves_a_picture(worker: WorkerProcess, models: Path) -> None:
    outcome = worker.run(worker.request(models / "plain", text_spec(), previews=True))
    assert outcome.error is None and outcome.finished is not None
    kinds = [job_service_pb2.StageKind.Name(stage.kind) for stage in outcome.planned]
    assert kinds == [
        f"STAGE_KIND_{name}"
        for name in ("LOADING", "ENCODING_TEXT", "DENOISING", "DECODING", "POST_PROCESSING")
    ]
    assert outcome.steps == sorted(outcome.steps)
    assert outcome.steps[-1] == (4, 1)
    assert [step for stage, step in outcome.steps if stage == 2] == [1, 2, 3, 4]
    assert outcome.picture().shape == (64, 64, 3)
    assert outcome.finished.outputs[0].sha256 == hashlib.sha256(outcome.picture().tobytes()).hexdigest()
    preview = outcome.previews[0]
    assert len(preview.rgb) == 3 * preview.width_px * preview.height_px > 0
    weights = {name: digest for name, digest in outcome.finished.model_sha256.items()}
    for name, digest in weights.items():
        assert digest == hashlib.sha256((models / "plain" / name).read_bytes()).hexdigest()
    assert {name.split("/")[0] for name in weights} == {"unet", "vae", "text_encoder"}


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(
    worker: WorkerProcess, models: Path
) -> None:
    def digest(seed: int) -> str:
        finished = worker.run(worker.request(models / "plain", text_spec(seed=seed))).finished
        assert finished is not None
        return finished.outputs[0].sha256

    assert digest(2**64 - 1) == digest(2**64 - 1) != digest(0)


def test_defaults_come_back_filled_in(worker: WorkerProcess, models: Path) -> None:
    spec = job_service_pb2.JobSpec(prompt="sky", text_to_image=job_service_pb2.TextToImage())
    finished = worker.run(worker.request(models / "plain", spec)).finished
    assert finished is not None
    resolved = finished.resolved
    assert resolved.HasField("seed")
    assert (resolved.steps, resolved.guidance_scale, resolved.scheduler) == (4, 5.0, "ddim")
    assert (resolved.text_to_image.width_px, resolved.text_to_image.height_px) == (64, 64)
    again = worker.run(worker.request(models / "plain", resolved)).finished
    assert again is not None and again.outputs[0].sha256 == finished.outputs[0].sha256


def test_an_inpainted_layer_lies_where_its_image_lay_and_is_clear_outside_the_mask(
    worker: WorkerProcess, models: Path
) -> None:
    outcome = worker.run(inpaint(worker, models / "inpaint"))
    assert outcome.finished is not None, outcome.error
    output = outcome.finished.outputs[0]
    assert (output.x_px, output.y_px, output.layout.width_px, output.layout.height_px) == (100, 200, 96, 80)
    picture = outcome.picture()
    assert picture.shape == (80, 96, 4)
    rows, columns = np.mgrid[0:80, 0:96]
    far = np.hypot(columns - 50, rows - 41) > 13.5 + outcome.finished.resolved.inpaint.grow_px + 1
    assert (picture[far][:, 3] == 0).all()
    assert picture[41, 50, 3] == 255
    assert outcome.finished.resolved.inpaint.feather_px > 0


def test_a_merged_result_keeps_a_blender_floats_bits_outside_the_mask(
    worker: WorkerProcess, models: Path
) -> None:
    rng = np.random.default_rng(3)
    source = rng.uniform(-0.1, 1.7, (80, 96, 4)).astype(np.float32)
    source[..., 3] = rng.uniform(0, 1, (80, 96))
    spec = job_service_pb2.JobSpec(prompt="moss", seed=5, steps=2, guidance_scale=3.0, scheduler="ddim")
    spec.inpaint.image.CopyFrom(image_ref("blobs/i"))
    spec.inpaint.mask.CopyFrom(image_ref("blobs/m"))
    spec.result_form = job_service_pb2.RESULT_FORM_MERGED
    spec.output_layout.CopyFrom(format_to_layout(BLENDER))
    mask = disc(96, 80, 13.5, 50, 30)
    inputs = [worker.blob("blobs/i", source, BLENDER), worker.blob("blobs/m", mask, MASK_FORMAT)]
    outcome = worker.run(worker.request(models / "plain", spec, inputs))
    assert outcome.finished is not None, outcome.error
    picture = outcome.picture()
    rows, columns = np.mgrid[0:80, 0:96]
    # The mask's rows run downwards, the picture's upwards.
    far = np.hypot(columns - 50, (79 - rows) - 30) > 13.5 + outcome.finished.resolved.inpaint.grow_px + 1
    assert picture[far].tobytes() == source[far].tobytes()
    assert (picture[79 - 30, 50] != source[79 - 30, 50]).any()


def test_a_cancelled_job_sees_at_most_one_more_denoiser_call(worker: WorkerProcess, models: Path) -> None:
    request = worker.request(models / "plain", long_spec())
    started = threading.Event()
    outcome: list[Outcome] = []

    def watch() -> None:
        def events() -> object:
            for event in worker.stream(request):
                if event.HasField("stepped") and event.stepped.stage_index == 2:
                    started.set()
                yield event

        outcome.append(collect(events(), Path(request.output_folder)))

    thread = threading.Thread(target=watch)
    thread.start()
    assert started.wait(60)
    assert worker.cancel(request)
    thread.join(60)
    assert outcome[0].cancelled is not None
    assert outcome[0].cancelled.denoiser_calls_after <= 1
    assert outcome[0].steps[-1][1] < outcome[0].planned[2].steps
    assert not worker.cancel(request)
    assert list(Path(request.output_folder).iterdir()) == []


def test_a_job_cancelled_before_it_starts_costs_no_denoiser_call(worker: WorkerProcess, models: Path) -> None:
    request = worker.request(models / "plain", long_spec())
    stream = worker.stream(request)
    wait_until(lambda: worker.cancel(request))
    outcome = collect(stream, Path(request.output_folder))
    assert outcome.cancelled is not None and outcome.cancelled.denoiser_calls_after <= 1


def test_a_broken_stream_does_not_end_its_job(worker: WorkerProcess, models: Path) -> None:
    request = worker.request(models / "plain", text_spec(steps=30))
    stream = worker.stream(request)
    next(stream)
    stream.cancel()
    wait_until(lambda: (Path(request.output_folder) / "result-0.raw").exists())


def test_strangers_jobs_share_steps_and_keep_their_pictures(worker: WorkerProcess, models: Path) -> None:
    requests = [
        worker.request(models / "plain", text_spec(seed=seed, steps=steps, scheduler=scheduler))
        for seed, steps, scheduler in ((1, 4, "ddim"), (2, 7, "euler-a"), (3, 5, "dpmpp-2m"), (4, 3, "heun"))
    ]
    alone = []
    for request in requests:
        twin = pb.RunJobRequest()
        twin.CopyFrom(request)
        twin.job += "-alone"
        twin.output_folder = str(Path(request.output_folder) / "alone")
        Path(twin.output_folder).mkdir()
        alone.append(worker.run(twin).picture().astype(int))
    with ThreadPoolExecutor(4) as pool:
        together = [outcome.picture().astype(int) for outcome in pool.map(worker.run, requests)]
    for one, other in zip(alone, together, strict=True):
        assert np.abs(one - other).max() <= 1


def test_a_live_job_overtakes_a_long_batch_job(worker: WorkerProcess, models: Path) -> None:
    slow = worker.request(models / "plain", long_spec(), priority=job_service_pb2.PRIORITY_BATCH)
    stream = worker.stream(slow)
    assert next(stream).HasField("planned")
    live = worker.run(
        worker.request(models / "plain", text_spec(steps=4), priority=job_service_pb2.PRIORITY_LIVE)
    )
    assert live.finished is not None
    assert worker.cancel(slow)
    assert collect(stream, Path(slow.output_folder)).cancelled is not None


def test_a_full_disk_is_an_error_that_names_it(worker: WorkerProcess, models: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full on this system")
    request = worker.request(models / "plain", text_spec())
    (Path(request.output_folder) / "result-0.raw").symlink_to(full)
    outcome = worker.run(request)
    # O_EXCL refuses to follow a link that somebody planted: an error of the file system, not a write.
    assert outcome.error is not None and not isinstance(outcome.error, StorageFull)
    assert outcome.finished is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"steps": 1000}, "spec.steps"),
        ({"steps": 10_000}, "spec.steps"),
        ({"prompt": "x" * 100_000}, "spec.prompt"),
        ({"scheduler": "magic"}, "spec.scheduler"),
        ({"guidance_scale": 101.0}, "spec.guidance_scale"),
    ],
)
def test_nonsense_ends_as_an_event_that_names_the_field(
    worker: WorkerProcess, models: Path, change: dict[str, object], field: str
) -> None:
    outcome = worker.run(worker.request(models / "plain", text_spec(**change)))
    assert isinstance(outcome.error, InvalidRequest)
    assert field in [violation.field for violation in outcome.error.violations]


def test_an_input_that_is_gone_says_upload_again(worker: WorkerProcess, models: Path) -> None:
    request = inpaint(worker, models / "plain")
    Path(request.inputs[0].path).unlink()
    assert isinstance(worker.run(request).error, BlobNotFound)


def test_broken_weights_say_so_and_the_worker_lives_on(
    worker: WorkerProcess, models: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(models / "plain", broken)
    weights = broken / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    outcome = worker.run(worker.request(broken, text_spec()))
    assert isinstance(outcome.error, ModelUnusable)
    assert "broken" in outcome.error.message
    assert worker.run(worker.request(models / "plain", text_spec())).finished is not None


def test_models_load_and_unload(worker: WorkerProcess, models: Path) -> None:
    def loaded() -> list[str]:
        describe = worker.stub.DescribeWorker(pb.DescribeWorkerRequest(), metadata=worker.metadata)
        return list(describe.loaded_models)

    source = worker.source(models / "small")
    worker.stub.LoadModel(pb.LoadModelRequest(model=source), metadata=worker.metadata)
    assert "small" in loaded()
    for _ in range(2):
        worker.stub.UnloadModel(pb.UnloadModelRequest(name="small"), metadata=worker.metadata)
        assert "small" not in loaded()
    worker.stub.UnloadModel(pb.UnloadModelRequest(), metadata=worker.metadata)
    assert loaded() == []
    source.path = str(models / "missing")
    with pytest.raises(grpc.RpcError) as caught:
        worker.stub.LoadModel(pb.LoadModelRequest(model=source), metadata=worker.metadata)
    trailers = dict(caught.value.trailing_metadata())
    assert isinstance(status_to_error(status_pb2.Status.FromString(trailers[STATUS_HEADER])), ModelUnusable)


@pytest.mark.parametrize("metadata", [(), (("authorization", "Bearer wrong"),)])
def test_nobody_without_the_token_is_served(worker: WorkerProcess, metadata: tuple[object, ...]) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        worker.stub.DescribeWorker(pb.DescribeWorkerRequest(), metadata=metadata)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    with pytest.raises(grpc.RpcError) as caught:
        list(worker.stub.RunJob(pb.RunJobRequest(job="jobs/x"), metadata=metadata))
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert TokenRefused.reason == "TOKEN_REFUSED"


def test_the_worker_ends_with_its_parent_even_in_mid_job(tmp_path: Path, models: Path) -> None:
    with WorkerProcess(tmp_path) as process:
        stream = process.stream(process.request(models / "plain", long_spec()))
        assert next(stream).HasField("planned")
        assert process.process.stdin is not None
        process.process.stdin.close()
        assert process.process.wait(timeout=120) == 0
    assert not process.socket.exists()


def test_sigterm_ends_it_cleanly(tmp_path: Path) -> None:
    with WorkerProcess(tmp_path) as process:
        process.process.send_signal(signal.SIGTERM)
        assert process.process.wait(timeout=120) == 0
        assert not process.socket.exists()


def test_where_there_are_no_unix_sockets_it_serves_a_loopback_port(tmp_path: Path) -> None:
    token, port_file = secrets.token_hex(32), tmp_path / "port"
    process = subprocess.Popen(
        [sys.executable, "-m", "underpaint.engine", "--port-file", str(port_file)],
        stdin=subprocess.PIPE,
        env={**os.environ, "UNDERPAINT_WORKER_TOKEN": token},
    )
    try:
        wait_until(port_file.exists, 120)
        with grpc.insecure_channel(f"127.0.0.1:{port_file.read_text()}") as channel:
            stub = worker_service_pb2_grpc.WorkerServiceStub(channel)
            metadata = ((TOKEN_HEADER, bearer(token)),)
            assert stub.DescribeWorker(pb.DescribeWorkerRequest(), metadata=metadata).device == "cpu"
            stub.StopWorker(pb.StopWorkerRequest(), metadata=metadata)
        assert process.wait(timeout=120) == 0
    finally:
        process.kill()
