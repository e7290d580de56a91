"""What is refused before any model is asked."""

from __future__ import annotations

import math
from typing import Any

import pytest

from underpaint.errors import InvalidRequest
from underpaint.types import (
    MASK_FORMAT,
    Channels,
    GenerateRequest,
    Image,
    JobOrigin,
    PixelFormat,
    PreprocessRequest,
    ResultForm,
)
from underpaint.v1 import image_pb2, job_service_pb2
from underpaint.wire.jobs import request_to_spec
from underpaint.wire.limits import check_request_id, check_spec, raise_for
from underpaint.wire.requests import check_job_origin, check_request

IMAGE = Image(8, 8, bytes(256), x=3, y=4)
MASK = Image(8, 8, bytes(64), MASK_FORMAT, x=3, y=4)
BLOB = image_pb2.ImageRef(blob="blobs/a", x_px=3, y_px=4)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (GenerateRequest(prompt="x" * 10_001), "spec.prompt"),
        (GenerateRequest(negative_prompt="x" * 100_000), "spec.negative_prompt"),
        (GenerateRequest(steps=0), "spec.steps"),
        (GenerateRequest(steps=10_000), "spec.steps"),
        (GenerateRequest(steps=-1), "spec.steps"),
        (GenerateRequest(seed=-1), "spec.seed"),
        (GenerateRequest(seed=2**64), "spec.seed"),
        (GenerateRequest(guidance_scale=-0.1), "spec.guidance_scale"),
        (GenerateRequest(guidance_scale=100.1), "spec.guidance_scale"),
        (GenerateRequest(guidance_scale=math.nan), "spec.guidance_scale"),
        (GenerateRequest(width=0), "spec.text_to_image.width_px"),
        (GenerateRequest(height=65536), "spec.text_to_image.height_px"),
        (GenerateRequest(strength=0.5), "spec.image_to_image.strength"),
        (GenerateRequest(mask=MASK), "spec.image_to_image.mask"),
        (GenerateRequest(image=IMAGE, strength=0.0), "spec.image_to_image.strength"),
        (GenerateRequest(image=IMAGE, strength=1.1), "spec.image_to_image.strength"),
        (GenerateRequest(image=IMAGE, width=8), "spec.text_to_image"),
        (GenerateRequest(image=IMAGE, grow=3), "spec.inpaint.grow_px"),
        (GenerateRequest(image=IMAGE, mask=MASK, strength=math.nan), "spec.inpaint.strength"),
        (GenerateRequest(image=IMAGE, mask=MASK, feather=-1), "spec.inpaint.feather_px"),
        (GenerateRequest(image=IMAGE, mask=Image(8, 7, bytes(56), MASK_FORMAT, 3, 4)), "spec.inpaint.mask"),
        (GenerateRequest(image=IMAGE, mask=Image(8, 8, bytes(64), MASK_FORMAT, 3, 5)), "spec.inpaint.mask"),
        (GenerateRequest(image=IMAGE, mask=IMAGE), "spec.inpaint.mask"),
        (GenerateRequest(edit=True), "spec.edit_image.image"),
        (GenerateRequest(image=IMAGE, edit=True, strength=0.5), "spec.edit_image"),
        (GenerateRequest(image=IMAGE, mask=MASK, edit=True), "spec.edit_image"),
        (GenerateRequest(postprocess=("sharpen",) * 9), "spec.postprocess"),
        (GenerateRequest(postprocess=("",)), "spec.postprocess"),
        (PreprocessRequest(image=IMAGE, preprocessor=""), "spec.preprocess.preprocessor"),
        (PreprocessRequest(image=IMAGE, preprocessor="x" * 129), "spec.preprocess.preprocessor"),
        (
            PreprocessRequest(image=IMAGE, preprocessor="canny", parameters={"low": math.inf}),
            "spec.preprocess.parameters.low",
        ),
        (
            PreprocessRequest(image=IMAGE, preprocessor="x", parameters={str(n): 0.0 for n in range(65)}),
            "spec.preprocess.parameters",
        ),
    ],
)
def test_a_request_out_of_range_is_refused_by_the_fields_name(
    request_: GenerateRequest | PreprocessRequest, field: str
) -> None:
    assert [found.field for found in check_request(request_)] == [field]
    with pytest.raises(InvalidRequest, match=field.replace(".", r"\.")):
        request_to_spec(request_)


@pytest.mark.parametrize(
    "request_",
    [
        GenerateRequest(),
        GenerateRequest(prompt="x" * 10_000, steps=1000, seed=2**64 - 1, guidance_scale=100, width=1),
        GenerateRequest(seed=0, guidance_scale=0.0),
        GenerateRequest(image=IMAGE, strength=1e-9),
        GenerateRequest(image=IMAGE, edit=True),
        GenerateRequest(image=IMAGE, mask=MASK, strength=1.0, grow=0.0, feather=0.0),
    ],
)
def test_a_request_at_the_edge_of_its_range_passes_both_checks(request_: GenerateRequest) -> None:
    assert check_request(request_) == []
    image = BLOB if request_.image else None
    mask = image_pb2.ImageRef(blob="blobs/b", x_px=3, y_px=4) if request_.mask else None
    assert check_spec(request_to_spec(request_, image, mask)) == []


def spec(**fields: Any) -> job_service_pb2.JobSpec:
    return job_service_pb2.JobSpec(**fields)


TXT = job_service_pb2.TextToImage()


@pytest.mark.parametrize(
    ("spec_", "field"),
    [
        (spec(), "spec.operation"),
        (spec(text_to_image=TXT, steps=1001), "spec.steps"),
        (spec(text_to_image=TXT, guidance_scale=-1), "spec.guidance_scale"),
        (spec(text_to_image=TXT, prompt="x" * 10_001), "spec.prompt"),
        (spec(text_to_image={"width_px": 70_000}), "spec.text_to_image.width_px"),
        (spec(image_to_image={}), "spec.image_to_image.image.blob"),
        (spec(edit_image={}), "spec.edit_image.image.blob"),
        (spec(image_to_image={"image": BLOB, "strength": 0.0}), "spec.image_to_image.strength"),
        (spec(inpaint={"image": BLOB, "mask": {"blob": "b"}}), "spec.inpaint.mask"),
        (spec(inpaint={"image": BLOB, "mask": BLOB, "grow_px": math.inf}), "spec.inpaint.grow_px"),
        (spec(text_to_image=TXT, output_layout={"width_px": 1}), "spec.output_layout.channel_order"),
    ],
)
def test_a_specification_from_any_client_is_checked_again(spec_: job_service_pb2.JobSpec, field: str) -> None:
    assert field in [found.field for found in check_spec(spec_)]


def test_a_layer_needs_an_alpha_channel() -> None:
    rgb = PixelFormat(Channels.RGB, alpha=MASK_FORMAT.alpha)
    found = check_spec(request_to_spec(GenerateRequest(output=rgb, form=ResultForm.LAYER)))
    assert [violation.field for violation in found] == ["spec.output_layout.channel_order"]


def test_an_origin_has_limits_in_bytes() -> None:
    assert check_job_origin(JobOrigin("c" * 128, "d" * 256, bytes(65536), "t" * 256)) == []
    too_long = JobOrigin("ü" * 65, "d" * 257, bytes(65537), "t" * 257)
    assert [found.field for found in check_job_origin(too_long)] == [
        "origin.client_id",
        "origin.document_id",
        "origin.host_context",
        "origin.title",
    ]


@pytest.mark.parametrize("request_id", ["", "x" * 129])
def test_a_request_id_is_neither_empty_nor_endless(request_id: str) -> None:
    with pytest.raises(InvalidRequest, match="request_id"):
        raise_for(check_request_id(request_id))
