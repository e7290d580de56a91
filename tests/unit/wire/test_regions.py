"""Regions on the wire, and what is refused before any model is asked."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underpaint.errors import InvalidRequest
from underpaint.types import MASK_FORMAT, Control, GenerateRequest, Image, Lora, Region
from underpaint.v1 import image_pb2, job_service_pb2
from underpaint.wire.jobs import request_to_spec
from underpaint.wire.limits import check_spec
from underpaint.wire.regions import MAX_REGIONS, RegionPixels, complete_region, lift_controls
from underpaint.wire.requests import check_request

IMAGE = Image(8, 8, bytes(256), x=3, y=4)
MASK = Image(5, 6, bytes(30), MASK_FORMAT, x=-2)
MASK_REF = image_pb2.ImageRef(blob="blobs/mask", x_px=-2)
IMAGE_REF = image_pb2.ImageRef(blob="blobs/image", x_px=3, y_px=4)
CONTROL = Control(image=IMAGE, role="depth")

REGIONS = st.builds(
    Region,
    mask=st.just(MASK),
    prompt=st.text(max_size=20),
    strength=st.floats(0.0, 1.0),
    controls=st.just(()) | st.just((CONTROL,)),
    negative_prompt=st.text(max_size=20),
    loras=st.lists(st.builds(Lora, st.text(min_size=1, max_size=9), st.floats(-10.0, 10.0)), max_size=2).map(
        tuple
    ),
)


def pixels(region: Region) -> RegionPixels:
    return MASK_REF, [(IMAGE_REF, None) for _ in region.controls]


@given(st.lists(REGIONS, max_size=8).map(tuple))
def test_regions_arrive_whole_in_order_and_pass_both_checks(regions: tuple[Region, ...]) -> None:
    request = GenerateRequest(regions=regions)
    assert check_request(request) == []
    sent = request_to_spec(request, regions=[pixels(region) for region in regions])
    spec = job_service_pb2.JobSpec.FromString(sent.SerializeToString())
    assert check_spec(spec) == []
    found = [(one.prompt, one.strength, one.mask, len(one.controls)) for one in spec.regions]
    assert found == [(one.prompt, one.strength, MASK_REF, len(one.controls)) for one in regions]
    assert [one.negative_prompt for one in spec.regions] == [one.negative_prompt for one in regions]
    loras = [[(lora.name, lora.strength) for lora in one.loras] for one in spec.regions]
    assert loras == [[(lora.name, lora.strength) for lora in one.loras] for one in regions]


def test_controls_of_a_region_become_the_pictures_own_with_its_mask() -> None:
    regions = (Region(mask=MASK, prompt="a", controls=(CONTROL,)), Region(mask=MASK, prompt="b"))
    request = GenerateRequest(controls=(replace(CONTROL, role="line-art"),), regions=regions)
    spec = request_to_spec(request, None, None, [(IMAGE_REF, None)], [pixels(region) for region in regions])
    lift_controls(spec)
    assert [(one.role, one.HasField("mask")) for one in spec.controls] == [
        ("line-art", False),
        ("depth", True),
    ]
    assert spec.controls[1].mask == MASK_REF
    assert not any(region.controls for region in spec.regions)
    assert check_spec(spec) == []
    again = job_service_pb2.JobSpec.FromString(spec.SerializeToString())
    lift_controls(again)
    assert again == spec


def test_strength_is_one_unless_it_is_said() -> None:
    silent, zero = job_service_pb2.Region(), job_service_pb2.Region(strength=0.0)
    silent.loras.add(name="ink")
    complete_region(silent)
    complete_region(zero)
    assert (silent.strength, zero.strength) == (1.0, 0.0)
    assert (silent.loras[0].strength, silent.loras[0].text_encoder_strength) == (1.0, 1.0)


ONE = Region(mask=MASK, prompt="moss")
WRONG = [
    ((ONE,) * (MAX_REGIONS + 1), "spec.regions"),
    ((replace(ONE, prompt="x" * 10_001),), "spec.regions[0].prompt"),
    ((replace(ONE, negative_prompt="x" * 10_001),), "spec.regions[0].negative_prompt"),
    ((ONE, replace(ONE, strength=1.1)), "spec.regions[1].strength"),
    ((replace(ONE, loras=(Lora("ink", 11.0),)),), "spec.regions[0].loras[0].strength"),
    ((replace(ONE, loras=(Lora("ink"),) * 9),) * 2, "spec.loras"),
    ((replace(ONE, strength=math.nan),), "spec.regions[0].strength"),
    ((replace(ONE, mask=IMAGE),), "spec.regions[0].mask"),
    ((replace(ONE, controls=(replace(CONTROL, mask=MASK),)),), "spec.regions[0].controls[0].mask"),
    ((replace(ONE, controls=(replace(CONTROL, role="Depth"),)),), "spec.regions[0].controls[0].role"),
    ((replace(ONE, controls=(CONTROL,) * 5),) * 2, "spec.controls"),
]


@pytest.mark.parametrize(("regions", "field"), WRONG)
def test_what_is_wrong_with_regions_is_named(regions: tuple[Region, ...], field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        request_to_spec(GenerateRequest(regions=regions))
    assert [found.field for found in caught.value.violations] == [field]


@pytest.mark.parametrize("field", ["spec.regions[0].mask.blob", "spec.regions[0].strength", "spec.regions"])
def test_the_daemon_refuses_the_same_of_other_clients(field: str) -> None:
    spec = job_service_pb2.JobSpec(text_to_image=job_service_pb2.TextToImage())
    region = job_service_pb2.Region(mask=MASK_REF, prompt="moss")
    if field.endswith("blob"):
        region.mask.Clear()
    if field.endswith("strength"):
        region.strength = -0.1
    spec.regions.extend([region] * (9 if field == "spec.regions" else 1))
    assert [found.field for found in check_spec(spec)] == [field]


def test_regions_are_for_pictures_that_a_model_makes() -> None:
    preprocess = job_service_pb2.Preprocess(image=IMAGE_REF, preprocessor="canny")
    spec = job_service_pb2.JobSpec(preprocess=preprocess, regions=[job_service_pb2.Region(mask=MASK_REF)])
    assert [found.field for found in check_spec(spec)] == ["spec.regions"]
