"""Controls from the client and the command line through the real daemon and engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pictures

import underpaint
from tests.support.installation import Installation
from underpaint.client import Client
from underpaint.types import MASK_FORMAT, Alpha, Channels, Image, PixelFormat

pytestmark = pytest.mark.slow

EDGE = 64
RGB = PixelFormat(Channels.RGB, alpha=Alpha.NONE)


@pytest.fixture
def client(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Client:
    for name, value in installation.places.items():
        monkeypatch.setenv(name, value)
    return underpaint.connect(start=False)


def drawing() -> np.ndarray:
    lines = np.zeros((EDGE, EDGE, 3), np.uint8)
    lines[::8] = lines[:, ::8] = 255
    return lines


def control(**fields: object) -> underpaint.Control:
    return underpaint.Control(
        **{"image": Image(EDGE, EDGE, drawing().tobytes(), RGB), "role": "line-art", **fields}
    )


def made(client: Client, *controls: underpaint.Control) -> tuple[np.ndarray, underpaint.JobUpdate]:
    request = underpaint.GenerateRequest(
        prompt="brick", seed=3, steps=4, width=EDGE, height=EDGE, model="tiny", controls=controls
    )
    job = client.submit(request)
    final = job.wait(120)
    (image,) = job.fetch()
    return np.frombuffer(image.data, np.uint8).reshape(EDGE, EDGE, 3).copy(), final


def test_a_control_changes_the_picture_the_same_way_every_time_and_says_what_made_it(client: Client) -> None:
    with client:
        free, _ = made(client)
        steered, final = made(client, control())
        again, _ = made(client, control(model="tiny-lines"))
        (nothing, _), (masked, _) = (
            made(client, control(mask=Image(EDGE, EDGE, bytes([level]) * EDGE**2, MASK_FORMAT)))
            for level in (0, 255)
        )
    assert (free != steered).mean() > 0.3
    np.testing.assert_array_equal(steered, again)
    np.testing.assert_array_equal(steered, masked)
    np.testing.assert_array_equal(free, nothing)
    (resolved,) = final.resolved["controls"]  # type: ignore[misc]
    assert (resolved["model"], resolved["strength"], resolved["end"]) == ("tiny-lines", 1.0, 1.0)
    assert "tiny-lines/diffusion_pytorch_model.safetensors" in final.model_sha256


def test_an_inpainting_is_steered_and_keeps_what_is_outside_its_mask(client: Client) -> None:
    wall = np.full((EDGE, EDGE, 3), 120, np.uint8)
    hole = np.zeros((EDGE, EDGE), np.uint8)
    hole[20:44, 20:44] = 255
    pictures = []
    with client:
        for controls in ((), (control(preprocessor="canny", parameters={"low": 50}),)):
            request = underpaint.GenerateRequest(
                prompt="brick",
                seed=3,
                steps=4,
                model="tiny-inpaint",
                image=Image(EDGE, EDGE, wall.tobytes(), RGB),
                mask=Image(EDGE, EDGE, hole.tobytes(), MASK_FORMAT),
                grow=0,
                feather=0,
                form=underpaint.types.ResultForm.MERGED,
                controls=controls,
            )
            job = client.submit(request)
            job.wait(120)
            pictures.append(np.frombuffer(job.fetch()[0].data, np.uint8).reshape(EDGE, EDGE, 3).copy())
    free, steered = pictures
    assert (free[hole > 0] != steered[hole > 0]).mean() > 0.3
    np.testing.assert_array_equal(free[hole == 0], wall[hole == 0])
    np.testing.assert_array_equal(steered[hole == 0], wall[hole == 0])


def test_the_command_line_steers_and_lists(installation: Installation, tmp_path: Path) -> None:
    Pictures.fromarray(drawing()).save(tmp_path / "plan.png")
    options = ("--size", "64x64", "--seed", "3", "--steps", "4", "-o", str(tmp_path / "out.png"))
    steer = ("--control", f"line-art={tmp_path / 'plan.png'},strength=0.9,end=0.8,preprocess=canny")
    answer = installation.json("txt2img", "brick", *options, *steer)
    (resolved,) = answer["request"]["controls"]
    assert resolved["parameters"] == {"low": 100.0, "high": 200.0, "blur": 0.0}
    tiny = next(one for one in installation.json("models", "list")["models"] if one["name"] == "tiny")
    assert {one["role"]: one["models"] for one in tiny["controls"]} == {
        "canny": ["tiny-lines"],
        "line-art": ["tiny-lines"],
    }
    (net,) = installation.json("models", "controls")
    assert net["models"] == ["tiny", "tiny-inpaint"]
