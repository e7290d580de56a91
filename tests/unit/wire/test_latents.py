"""Tools for latents on the wire, and what is refused before any model is asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from underpaint.errors import InvalidRequest
from underpaint.types import LATENTS_FORMAT, Image, LatentsAction, LatentsRequest
from underpaint.v1 import image_pb2, job_service_pb2
from underpaint.wire.jobs import request_to_spec
from underpaint.wire.latents import ACTIONS
from underpaint.wire.limits import check_spec

LATENTS = Image(8, 32, bytes(8 * 32 * 4), LATENTS_FORMAT)
REF = image_pb2.ImageRef(blob="blobs/a")
NOISE = LatentsRequest(action=LatentsAction.NOISE, image=LATENTS, steps=6, step=3, seed=0, step_pictures=True)


@pytest.mark.parametrize("action", list(LatentsAction))
def test_a_request_arrives_whole_and_passes_both_checks(action: LatentsAction) -> None:
    stepping = action in (LatentsAction.NOISE, LatentsAction.DENOISE)
    request = replace(NOISE, action=action, step=3 * stepping, step_pictures=stepping)
    sent = request_to_spec(request, REF)
    spec = job_service_pb2.JobSpec.FromString(sent.SerializeToString())
    assert check_spec(spec) == []
    use = spec.use_latents
    assert (use.action, use.step, use.step_pictures) == (ACTIONS[action], request.step, stepping)
    assert (use.image, spec.steps, spec.HasField("seed")) == (REF, 6, True)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (replace(NOISE, step=6), "spec.use_latents.step"),
        (replace(NOISE, steps=0), "spec.steps"),
        (replace(NOISE, image=Image(8, 8, bytes(256))), "spec.use_latents.image"),
        (replace(NOISE, guidance_scale=-1.0), "spec.guidance_scale"),
    ],
)
def test_what_is_wrong_with_a_request_is_named(request_: LatentsRequest, field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        request_to_spec(request_, REF)
    assert field in [found.field for found in caught.value.violations]


def test_the_daemon_refuses_the_same_of_other_clients() -> None:
    spec = job_service_pb2.JobSpec(steps=4, preset="fast", postprocess=["sharpen"])
    spec.use_latents.step = 2
    assert [found.field for found in check_spec(spec)] == [
        "spec.use_latents.action",
        "spec.use_latents.image.blob",
        "spec.use_latents.step",
        "spec.postprocess",
        "spec.preset",
    ]
