"""Controls on the wire, and what is refused before any model is asked."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underpaint.errors import InvalidRequest
from underpaint.types import MASK_FORMAT, Control, ControlModelInfo, ControlRole, GenerateRequest, Image
from underpaint.v1 import image_pb2, job_service_pb2, model_service_pb2
from underpaint.wire.controls import (
    control_model_to_info,
    control_to_message,
    info_to_control_model,
    roles_from,
    roles_to,
)
from underpaint.wire.jobs import request_to_spec
from underpaint.wire.limits import check_spec
from underpaint.wire.requests import check_request

IMAGE = Image(8, 8, bytes(256), x=3, y=4)
MASK = Image(5, 6, bytes(30), MASK_FORMAT, x=-2, y=0)
REF = image_pb2.ImageRef(blob="blobs/a", x_px=3, y_px=4)
OTHER = image_pb2.ImageRef(blob="blobs/b", x_px=-2)
TXT = job_service_pb2.TextToImage()

NAME = st.from_regex(r"[a-z0-9]{1,9}(-[a-z0-9]{1,9}){0,3}", fullmatch=True)
CONTROLS = st.builds(
    Control,
    image=st.just(IMAGE),
    role=NAME,
    strength=st.floats(0.0, 2.0),
    start=st.floats(0.0, 0.5),
    end=st.floats(0.6, 1.0),
    mask=st.none() | st.just(MASK),
    model=st.text(max_size=20),
    preprocessor=NAME,
    parameters=st.dictionaries(
        st.text(max_size=9), st.floats(allow_nan=False, allow_infinity=False), max_size=4
    ),
)


def pixels(control: Control) -> tuple[image_pb2.ImageRef, image_pb2.ImageRef | None]:
    return REF, None if control.mask is None else OTHER


@given(st.lists(CONTROLS, max_size=8).map(tuple))
def test_controls_arrive_whole_in_order_and_pass_both_checks(controls: tuple[Control, ...]) -> None:
    request = GenerateRequest(controls=controls)
    assert check_request(request) == []
    sent = request_to_spec(request, controls=[pixels(control) for control in controls])
    spec = job_service_pb2.JobSpec.FromString(sent.SerializeToString())
    assert check_spec(spec) == []
    for control, message in zip(controls, spec.controls, strict=True):
        again = Control(
            image=control.image,
            mask=control.mask,
            role=message.role,
            strength=message.strength,
            start=message.start,
            end=message.end,
            model=message.model,
            preprocessor=message.preprocessor,
            parameters=dict(message.parameters),
        )
        assert again == control
        assert message.image == REF
        assert message.HasField("mask") is (control.mask is not None)
        assert not message.HasField("mask") or message.mask == OTHER


def test_no_field_of_a_control_is_forgotten() -> None:
    assert {one.name for one in fields(Control)} == {
        one.name for one in job_service_pb2.Control.DESCRIPTOR.fields
    }
    assert len(fields(ControlModelInfo)) == len(model_service_pb2.ControlModel.DESCRIPTOR.fields)


@given(
    st.builds(
        ControlModelInfo,
        *(st.text(max_size=10),) * 4,
        roles=st.lists(NAME).map(tuple),
        models=st.lists(NAME).map(tuple),
        size_bytes=st.integers(0, 2**64 - 1),
        problem=st.text(max_size=10),
        license=st.text(max_size=10),
    )
)
def test_a_control_model_is_the_same_after_the_journey(info: ControlModelInfo) -> None:
    assert control_model_to_info(info_to_control_model(info)) == info


@given(st.lists(st.builds(ControlRole, NAME, st.lists(NAME).map(tuple))).map(tuple))
def test_roles_are_the_same_after_the_journey(roles: tuple[ControlRole, ...]) -> None:
    assert roles_from(roles_to(roles)) == roles


def control(**changes: Any) -> Control:
    return Control(**{"image": IMAGE, "role": "line-art", **changes})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"role": ""}, "role"),
        ({"role": "Line Art"}, "role"),
        ({"role": "x" * 129}, "role"),
        ({"strength": -0.1}, "strength"),
        ({"strength": 2.1}, "strength"),
        ({"strength": math.nan}, "strength"),
        ({"start": -0.1}, "start"),
        ({"start": math.nan}, "start"),
        ({"end": 0.0}, "end"),
        ({"end": 1.1}, "end"),
        ({"end": math.nan}, "end"),
        ({"start": 0.7, "end": 0.6}, "end"),
        ({"model": "x" * 4097}, "model"),
        ({"preprocessor": "x" * 129}, "preprocessor"),
        ({"parameters": {"low": 1.0}}, "parameters"),
        ({"preprocessor": "canny", "parameters": {"low": math.inf}}, "parameters.low"),
        ({"preprocessor": "canny", "parameters": {str(n): 0.0 for n in range(65)}}, "parameters"),
    ],
)
def test_a_control_out_of_range_is_refused_by_the_fields_name_on_both_sides(
    changes: dict[str, Any], field: str
) -> None:
    wrong = control(**changes)
    request = GenerateRequest(controls=(control(), wrong))
    assert [found.field for found in check_request(request)] == [f"spec.controls[1].{field}"]
    with pytest.raises(InvalidRequest, match=r"spec\.controls\[1\]"):
        request_to_spec(request)
    messages = [control_to_message(one, *pixels(one)) for one in request.controls]
    spec = job_service_pb2.JobSpec(text_to_image=TXT, controls=messages)
    assert [found.field for found in check_spec(spec)] == [f"spec.controls[1].{field}"]


def test_a_mask_has_one_channel_and_a_message_names_its_pixels() -> None:
    (found,) = check_request(GenerateRequest(controls=(control(mask=IMAGE),)))
    assert found.field == "spec.controls[0].mask"
    message = job_service_pb2.Control(role="x", mask=image_pb2.ImageRef(x_px=3))
    spec = job_service_pb2.JobSpec(text_to_image=TXT, controls=[message])
    assert [one.field for one in check_spec(spec)] == [
        "spec.controls[0].image.blob",
        "spec.controls[0].mask.blob",
    ]


def test_there_are_at_most_eight() -> None:
    (found,) = check_request(GenerateRequest(controls=(control(),) * 9))
    assert (found.field, found.description) == ("spec.controls", "may hold 8 controls, got 9")
