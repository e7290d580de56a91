"""Bad input of every kind: each a clear error with its reason, the field at fault, and the way out."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.unit.daemon.harness import Caller, Home, connect, image_layout, mask_layout, write_model
from underpaint.errors import UnderpaintError
from underpaint.types import Alpha, Channels, PixelFormat
from underpaint.v1 import job_service_pb2 as pb
from underpaint.v1.blob_service_pb2 import CreateBlobRequest
from underpaint.v1.image_pb2 import ImageLayout
from underpaint.wire.images import format_to_layout

WIDTH, HEIGHT = 40, 24


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home(tmp_path_factory.mktemp("home"))
    write_model(home.models, "tiny")
    write_model(home.models, "filler", inpainting=True)
    broken = write_model(home.models, "pickled")
    (broken / "unet" / "model.safetensors").rename(broken / "unet" / "model.bin")
    with home.daemon(UNDERPAINT_MAX_STEP_PIXELS=str(4096 * 1000), UNDERPAINT_PIXEL_QUOTA_BYTES=str(1 << 20)):
        yield home
    shutil.rmtree(home.runtime, ignore_errors=True)


@pytest.fixture
async def caller(home: Home) -> AsyncIterator[Caller]:
    caller = connect(home)
    yield caller
    await caller.channel.close()


@dataclass
class Blobs:
    """Names of uploaded pixels."""

    image: str
    mask: str
    empty_mask: str
    padded_empty_mask: str
    other_size: str
    unsealed: str


@pytest.fixture
async def blobs(caller: Caller) -> Blobs:
    padded = b"".join(bytes(WIDTH) + b"\xff" * 8 for _ in range(HEIGHT))
    created = await caller.call(
        caller.blobs.CreateBlob, CreateBlobRequest(layout=image_layout(WIDTH, HEIGHT))
    )
    return Blobs(
        image=await caller.upload(image_layout(WIDTH, HEIGHT), b"\1" * (WIDTH * HEIGHT * 4)),
        mask=await caller.upload(mask_layout(WIDTH, HEIGHT), bytes(WIDTH * HEIGHT - 1) + b"\1"),
        empty_mask=await caller.upload(mask_layout(WIDTH, HEIGHT), bytes(WIDTH * HEIGHT)),
        padded_empty_mask=await caller.upload(mask_layout(WIDTH, HEIGHT, WIDTH + 8), padded),
        other_size=await caller.upload(mask_layout(HEIGHT, WIDTH), b"\1" * (WIDTH * HEIGHT)),
        unsealed=created.blob.name,
    )


def paint(**fields: Any) -> Callable[[Blobs], pb.JobSpec]:
    size = {name: fields.pop(name) for name in ("width_px", "height_px") if name in fields}
    return lambda blobs: pb.JobSpec(text_to_image=pb.TextToImage(**size), **fields)


def fill(
    image: str = "image", mask: str = "mask", x_px: int = 0, **fields: Any
) -> Callable[[Blobs], pb.JobSpec]:
    inpaint = {name: fields.pop(name) for name in ("strength", "grow_px", "feather_px") if name in fields}

    def make(blobs: Blobs) -> pb.JobSpec:
        spec = pb.JobSpec(inpaint=pb.Inpaint(**inpaint), **fields)
        spec.inpaint.image.blob = getattr(blobs, image, image)
        spec.inpaint.mask.blob, spec.inpaint.mask.x_px = getattr(blobs, mask, mask), x_px
        return spec

    return make


def redo(image: str = "image", **fields: Any) -> Callable[[Blobs], pb.JobSpec]:
    strength = {name: fields.pop(name) for name in ("strength",) if name in fields}

    def make(blobs: Blobs) -> pb.JobSpec:
        spec = pb.JobSpec(image_to_image=pb.ImageToImage(**strength), **fields)
        spec.image_to_image.image.blob = getattr(blobs, image, image)
        return spec

    return make


RGB = format_to_layout(PixelFormat(Channels.RGB, alpha=Alpha.NONE))
NAN = float("nan")

INVALID = [
    ("no operation", lambda blobs: pb.JobSpec(prompt="x"), "spec.operation", "set one of"),
    ("prompt of 100,000 characters", paint(prompt="x" * 100_000), "spec.prompt", "10000 characters"),
    ("negative prompt", paint(negative_prompt="x" * 10_001), "spec.negative_prompt", "shorten"),
    ("steps of 10,000", paint(steps=10_000), "spec.steps", "1 to 1000"),
    ("guidance below zero", paint(guidance_scale=-1.0), "spec.guidance_scale", "0 to 100"),
    ("guidance that is no number", paint(guidance_scale=NAN), "spec.guidance_scale", "0 to 100"),
    ("unknown scheduler", paint(scheduler="magic"), "spec.scheduler", "none of ddim, euler"),
    ("width no multiple", paint(width_px=60), "spec.text_to_image.width_px", "nearest are 56 and 64"),
    ("height no multiple", paint(height_px=509), "spec.text_to_image.height_px", "nearest are 504 and 512"),
    ("too small", paint(width_px=8), "spec.text_to_image.width_px", "32 to 512"),
    ("too large", paint(height_px=1024), "spec.text_to_image.height_px", "32 to 512"),
    ("absurdly large", paint(width_px=4_000_000_000), "spec.text_to_image.width_px", "at most 65535"),
    ("strength of 0", redo(strength=0.0), "spec.image_to_image.strength", "above 0"),
    ("strength above 1", fill(strength=1.5), "spec.inpaint.strength", "at most 1"),
    ("strength that is no number", fill(strength=NAN), "spec.inpaint.strength", "above 0"),
    ("grow below 0", fill(grow_px=-1.0), "spec.inpaint.grow_px", "must be 0"),
    ("feather beyond all", fill(feather_px=1e9), "spec.inpaint.feather_px", "must be 0"),
    ("no image", redo(image=""), "spec.image_to_image.image.blob", "upload"),
    ("no mask", fill(mask=""), "spec.inpaint.mask.blob", "upload"),
    ("empty mask", fill(mask="empty_mask"), "spec.inpaint.mask", "is empty: select"),
    ("empty mask, rows with gaps", fill(mask="padded_empty_mask"), "spec.inpaint.mask", "is empty"),
    ("mask of another size", fill(mask="other_size"), "spec.inpaint.mask", "40x24, got 24x40"),
    ("mask elsewhere", fill(x_px=1), "spec.inpaint.mask", "where the image lies"),
    ("mask with colours", fill(mask="image"), "spec.inpaint.mask", "one channel, got rgba"),
    ("layer without alpha", fill(output_layout=RGB), "spec.output_layout.channel_order", "alpha channel"),
    ("nonsense layout", paint(output_layout=ImageLayout()), "spec.output_layout.channel_order", "none of"),
]


@pytest.mark.parametrize(
    ("make", "field", "message"), [row[1:] for row in INVALID], ids=[row[0] for row in INVALID]
)
async def test_a_field_out_of_range_is_named(
    home: Home, caller: Caller, blobs: Blobs, make: Callable[[Blobs], pb.JobSpec], field: str, message: str
) -> None:
    with pytest.raises(UnderpaintError) as raised:
        await caller.submit(spec=make(blobs))
    error = raised.value
    assert error.reason == "INVALID_REQUEST"
    described = dict(error.violations)
    assert field in described
    assert message in described[field]
    assert message in error.message
    await nothing_left(caller)


OTHERS = [
    (
        "unknown model",
        paint(model="sdxl"),
        "MODEL_NOT_FOUND",
        "There are: filler, pickled, tiny",
        {"model": "sdxl"},
    ),
    ("name that escapes", paint(model="../tiny"), "MODEL_NOT_FOUND", "absolute path", {}),
    ("folder without a model", paint(model="/"), "MODEL_NOT_FOUND", "no folder with model_index.json", {}),
    ("pickled model", paint(model="pickled"), "MODEL_UNUSABLE", "models convert", {"model": "pickled"}),
    (
        "model that cannot",
        paint(model="filler"),
        "OPERATION_UNSUPPORTED",
        "choose one of: tiny",
        {"model": "filler", "operation": "txt2img"},
    ),
    (
        "blob that is gone",
        redo(image="blobs/gone"),
        "BLOB_NOT_FOUND",
        "Upload it again",
        {"blob": "blobs/gone"},
    ),
    ("blob that is open", fill(image="unsealed"), "BLOB_STATE", "seal it first", {}),
    (
        "too much work",
        paint(width_px=512, height_px=512, steps=1000),
        "LIMIT_EXCEEDED",
        "fewer steps",
        {"limit": "step_pixels"},
    ),
]


@pytest.mark.parametrize(
    ("make", "reason", "message", "facts"), [row[1:] for row in OTHERS], ids=[row[0] for row in OTHERS]
)
async def test_what_cannot_be_done_says_why_and_what_would_help(
    home: Home,
    caller: Caller,
    blobs: Blobs,
    make: Callable[[Blobs], pb.JobSpec],
    reason: str,
    message: str,
    facts: dict[str, str],
) -> None:
    with pytest.raises(UnderpaintError) as raised:
        await caller.submit(spec=make(blobs))
    error = raised.value
    assert error.reason == reason
    assert message in error.message
    assert facts.items() <= error.metadata.items()
    await nothing_left(caller)


async def nothing_left(caller: Caller) -> None:
    assert not (await caller.call(caller.jobs.ListJobs, pb.ListJobsRequest())).jobs


@pytest.mark.parametrize("request_id", ["", "x" * 129])
async def test_a_request_id_has_1_to_128_characters(caller: Caller, request_id: str) -> None:
    with pytest.raises(UnderpaintError) as raised:
        await caller.submit("x", request_id=request_id)
    assert dict(raised.value.violations).keys() == {"request_id"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("client_id", "x" * 129),
        ("document_id", "x" * 257),
        ("host_context", b"x" * 65537),
        ("title", "x" * 257),
    ],
)
async def test_who_asks_has_limits(caller: Caller, field: str, value: object) -> None:
    with pytest.raises(UnderpaintError) as raised:
        await caller.submit("x", origin=pb.JobOrigin(**{field: value}))
    assert dict(raised.value.violations).keys() == {f"origin.{field}"}


async def test_several_fields_are_named_at_once(caller: Caller) -> None:
    spec = pb.JobSpec(text_to_image=pb.TextToImage(), steps=5000, guidance_scale=1e9, prompt="x" * 20_000)
    with pytest.raises(UnderpaintError) as raised:
        await caller.submit(spec=spec)
    assert dict(raised.value.violations).keys() == {"spec.steps", "spec.guidance_scale", "spec.prompt"}


async def test_steps_of_0_and_a_seed_of_0_have_their_meaning(home: Home, caller: Caller) -> None:
    first = await caller.submit(spec=pb.JobSpec(text_to_image=pb.TextToImage(), seed=0))
    second = await caller.submit(spec=pb.JobSpec(text_to_image=pb.TextToImage()))
    third = await caller.submit(spec=pb.JobSpec(text_to_image=pb.TextToImage()))
    assert (first.resolved.steps, first.resolved.seed) == (4, 0)
    assert first.resolved.HasField("seed")
    assert second.resolved.seed != third.resolved.seed
    assert (first.resolved.model, first.resolved.scheduler) == ("tiny", "ddim")
    assert first.resolved.result_form == pb.RESULT_FORM_MERGED
    assert first.resolved.output_layout == RGB
    for job in (first, second, third):
        await caller.finish(job.name)
        await caller.call(caller.jobs.DeleteJob, pb.DeleteJobRequest(name=job.name))


async def test_inpainting_without_a_model_takes_the_inpainting_model(caller: Caller, blobs: Blobs) -> None:
    job = await caller.submit(spec=fill()(blobs))
    assert job.resolved.model == "filler"
    assert job.resolved.inpaint.strength == 1.0
    assert not job.resolved.inpaint.HasField("grow_px")
    assert job.resolved.output_layout.channel_order == 5
    await caller.finish(job.name)
    await caller.call(caller.jobs.DeleteJob, pb.DeleteJobRequest(name=job.name))
