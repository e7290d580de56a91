"""From a picture's record to the request that makes it once more."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image as Pictures

from underpaint.cli.again import request_again
from underpaint.errors import InvalidRequest
from underpaint.testing.reference import Document
from underpaint.types import Bounds, GenerateRequest, Lora, Provenance, Tiling
from underpaint.v1.job_service_pb2 import JobSpec
from underpaint.v1.job_service_pb2 import Region as SpecRegion
from underpaint.wire.jobs import request_to_spec
from underpaint.wire.plain import to_plain
from underpaint.wire.requests import check_request


def record(**operation: dict[str, object]) -> Provenance:
    request = {"prompt": "make it night", "model": "kontext", "seed": 7, "steps": 4, **operation}
    return Provenance(request=request, place=Bounds(2, 1, 16, 8))


def test_an_edit_is_asked_for_as_an_edit_of_what_it_looked_at() -> None:
    again = request_again(record(edit_image={"image": {"blob": "blobs/gone"}}), Document(24, 16))
    assert again.edit and again.image is not None and again.mask is None and again.strength is None
    assert again.image.bounds == Bounds(2, 1, 16, 8)
    assert (again.prompt, again.model, again.seed) == ("make it night", "kontext", 7)
    assert check_request(again) == []


def test_image_to_image_keeps_its_strength_and_is_no_edit() -> None:
    again = request_again(record(image_to_image={"image": {}, "strength": 0.25}), Document(24, 16))
    assert not again.edit and again.strength == 0.25
    assert check_request(again) == []


def test_an_edit_without_its_picture_asks_for_it() -> None:
    with pytest.raises(InvalidRequest, match="give --image FILE"):
        request_again(record(edit_image={"image": {}}))


def test_everything_that_decides_a_picture_from_words_comes_back() -> None:
    asked = GenerateRequest(
        prompt="moss",
        negative_prompt="snow",
        model="plain",
        seed=2**64 - 1,
        steps=7,
        guidance_scale=0.0,
        scheduler="ddim",
        scheduler_parameters={"eta": 0.5},
        loras=(Lora("ink", 0.75), Lora("wash", -1.0, 0.0)),
        width=96,
        height=64,
        tiling=Tiling.X,
        postprocess=("sharpen",),
    )
    spec = request_to_spec(asked)
    again = request_again(Provenance(request=to_plain(spec)))
    result = request_to_spec(again)
    # How the pixels lie in memory is the file's affair.
    result.ClearField("output_layout")
    result.result_form = spec.result_form
    assert result == spec


def test_a_fill_begins_with_what_it_began_with(tmp_path: Path) -> None:
    Pictures.new("L", (24, 16), 255).save(tmp_path / "mask.png")
    values = {"image": {}, "mask": {}, "strength": 0.5, "grow_px": 2.0, "feather_px": 3.0}
    made = record(inpaint={**values, "fill_mode": "border"})
    again = request_again(made, Document(24, 16), tmp_path / "mask.png")
    assert (again.fill_mode, again.strength, again.grow, again.feather) == ("border", 0.5, 2.0, 3.0)
    assert check_request(again) == []


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("controls", "control images, which the file"),
        ("islands", "a mask of UV islands, which the file"),
        ("regions", "one region, whose masks the file"),
    ],
)
def test_what_needs_pictures_that_no_file_holds_is_refused_by_name(field: str, said: str) -> None:
    made = Provenance(request={"prompt": "x", "text_to_image": {}, field: [{"strength": 1.0}]})
    with pytest.raises(InvalidRequest, match=f"{said} does not hold") as raised:
        request_again(made)
    assert raised.value.violations[0].field == field


def test_regions_come_back_whole_where_their_masks_are_given(tmp_path: Path) -> None:
    left = Pictures.new("L", (8, 4))
    left.paste(255, (0, 0, 4, 4))
    left.save(tmp_path / "left.png")
    lora = {"name": "ink", "strength": 0.5, "text_encoder_strength": 0.25}
    words = {"prompt": "moss", "strength": 0.75, "negative_prompt": "dry", "loras": [lora]}
    made = Provenance(
        request={
            "prompt": "x",
            "text_to_image": {"width_px": 16, "height_px": 8},
            "regions": [{"mask": {}, **words}, {"mask": {}, "prompt": "sky", "strength": 1.0}],
        }
    )
    again = request_again(made, regions=[tmp_path / "left.png"] * 2)
    moss, sky = again.regions
    assert (moss.prompt, moss.strength, moss.negative_prompt) == ("moss", 0.75, "dry")
    assert moss.loras == (Lora("ink", 0.5, 0.25),) and sky.loras == ()
    assert moss.mask.bounds == Bounds(0, 0, 16, 8)
    row = bytes(moss.mask.data)[:16]
    assert row[:7] == b"\xff" * 7 and row[9:] == bytes(7)
    assert check_request(again) == []
    with pytest.raises(InvalidRequest, match="made with 2 regions.*got 1"):
        request_again(made, regions=[tmp_path / "left.png"])


def test_no_field_of_a_region_is_forgotten() -> None:
    # Controls are the picture's own by then, and refused there.
    told = {"mask", "prompt", "strength", "negative_prompt", "loras"}
    assert {field.name for field in SpecRegion.DESCRIPTOR.fields} == told | {"controls"}


def test_no_field_of_a_specification_is_forgotten() -> None:
    told = {"model", "prompt", "negative_prompt", "seed", "steps", "guidance_scale", "scheduler"}
    told |= {"scheduler_parameters", "loras", "tile_x", "tile_y", "postprocess", "regions"}
    operations = {"text_to_image", "image_to_image", "edit_image", "inpaint"}
    refused = {"controls", "islands", "preprocess", "upscale", "use_latents"}
    # A preset is plain values by then; the other two are how the result comes back, not what it shows.
    needless = {"preset", "output_layout", "result_form"}
    assert {field.name for field in JobSpec.DESCRIPTOR.fields} == told | operations | refused | needless
