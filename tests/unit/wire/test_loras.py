"""LoRAs on the wire, and what is refused before any model is asked."""

from __future__ import annotations

from dataclasses import fields

import pytest

from underpaint.errors import InvalidRequest
from underpaint.types import GenerateRequest, Lora, LoraInfo
from underpaint.v1 import job_service_pb2
from underpaint.wire.jobs import request_to_spec
from underpaint.wire.limits import check_spec
from underpaint.wire.loras import complete_lora, info_to_lora_model, lora_model_to_info


def test_loras_travel_with_a_request_and_are_completed_on_the_other_side() -> None:
    request = GenerateRequest(prompt="wall", loras=(Lora("ink", 0.8), Lora("/x/wash.safetensors", -2.0, 0.5)))
    spec = request_to_spec(request)
    assert check_spec(spec) == []
    bare = job_service_pb2.Lora(name="bare")
    for lora in (*spec.loras, bare):
        complete_lora(lora)
    told = [(lora.name, lora.strength, lora.text_encoder_strength) for lora in (*spec.loras, bare)]
    assert told == [("ink", 0.8, 0.8), ("/x/wash.safetensors", -2.0, 0.5), ("bare", 1.0, 1.0)]


def test_every_field_of_a_listed_lora_travels() -> None:
    texts = ("name", "title", "family", "path", "trigger", "problem", "license")
    info = LoraInfo(**{name: name for name in texts}, models=("a", "b"), size_bytes=7)
    assert all(getattr(info, field.name) for field in fields(LoraInfo))
    assert lora_model_to_info(info_to_lora_model(info)) == info


@pytest.mark.parametrize(
    ("loras", "field", "said"),
    [
        ((Lora(""),), "spec.loras[0].name", "1 to 4096 characters"),
        ((Lora("a"), Lora("b", 11.0)), "spec.loras[1].strength", "-10 to 10"),
        ((Lora("a", float("nan")),), "spec.loras[0].strength", "-10 to 10"),
        ((Lora("a", 1.0, -10.5),), "spec.loras[0].text_encoder_strength", "-10 to 10"),
        ((Lora("a"),) * 17, "spec.loras", "may hold 16 LoRAs, got 17"),
    ],
)
def test_what_is_wrong_with_a_lora_is_named_on_both_sides(
    loras: tuple[Lora, ...], field: str, said: str
) -> None:
    with pytest.raises(InvalidRequest, match=said) as caught:
        request_to_spec(GenerateRequest(loras=loras))
    assert [fault.field for fault in caught.value.violations] == [field]
    spec = job_service_pb2.JobSpec(text_to_image=job_service_pb2.TextToImage())
    for lora in loras:
        spec.loras.add(
            name=lora.name, strength=lora.strength, text_encoder_strength=lora.text_encoder_strength
        )
    assert [(fault.field, said in fault.description) for fault in check_spec(spec)] == [(field, True)]
