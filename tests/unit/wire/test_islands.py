"""UV islands on the wire, and what is refused before any model is asked."""

from __future__ import annotations

import pytest

from underpaint.daemon.runner import inputs_of
from underpaint.types import MASK_FORMAT, GenerateRequest, Image, UvIslands
from underpaint.v1 import image_pb2
from underpaint.v1 import job_service_pb2 as pb
from underpaint.wire.islands import complete_islands
from underpaint.wire.jobs import request_to_spec
from underpaint.wire.limits import check_spec
from underpaint.wire.requests import check_request

MASK = Image(5, 6, bytes(30), MASK_FORMAT, x=-2)
REFERENCE = image_pb2.ImageRef(blob="blobs/mask", x_px=-2)


def test_islands_arrive_with_their_mask_and_padding() -> None:
    request = GenerateRequest(islands=UvIslands(mask=MASK, padding=0))
    assert check_request(request) == []
    sent = request_to_spec(request, islands=REFERENCE)
    spec = pb.JobSpec.FromString(sent.SerializeToString())
    assert check_spec(spec) == []
    assert spec.islands.mask == REFERENCE
    assert inputs_of(spec) == ["blobs/mask"]
    complete_islands(spec)
    assert spec.islands.padding_px == 0, "none was asked for"


def test_islands_that_say_no_padding_get_that_of_a_bake() -> None:
    spec = pb.JobSpec(islands=pb.UvIslands(mask=REFERENCE))
    complete_islands(spec)
    assert spec.islands.padding_px == 16
    plain = pb.JobSpec()
    complete_islands(plain)
    assert not plain.HasField("islands")


@pytest.mark.parametrize("operation", ["preprocess", "upscale", "use_latents"])
def test_what_no_model_paints_in_one_piece_has_no_islands(operation: str) -> None:
    spec = pb.JobSpec(islands=pb.UvIslands(mask=REFERENCE))
    getattr(spec, operation).image.blob = "b"
    assert "spec.islands" in [fault.field for fault in check_spec(spec)]


def test_a_padding_too_wide_and_a_mask_of_three_channels_are_named() -> None:
    wrong = UvIslands(mask=Image(2, 2, bytes(16)), padding=257)
    faults = {fault.field for fault in check_request(GenerateRequest(islands=wrong))}
    assert faults == {"spec.islands.mask", "spec.islands.padding_px"}
    spec = pb.JobSpec(text_to_image=pb.TextToImage(), islands=pb.UvIslands(padding_px=999))
    assert {fault.field for fault in check_spec(spec)} == {
        "spec.islands.mask.blob",
        "spec.islands.padding_px",
    }
