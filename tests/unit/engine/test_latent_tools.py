"""Latents as things to keep: encoded, decoded, noised to a step, denoised from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.unit.engine.stock import RGB, Case, Ours, distance, photo
from underpaint.engine.family import Assignment, Picture
from underpaint.engine.pixels import Raster
from underpaint.errors import InvalidRequest, OperationUnsupported
from underpaint.types import LATENTS_FORMAT, LatentsAction
from underpaint.v1 import job_service_pb2
from underpaint.wire.images import format_to_layout
from underpaint.wire.latents import ACTIONS

SENSITIVITY = 1e-2
STEPS = 6


@pytest.fixture(scope="module")
def engine(models: Path) -> Callable[[str], Ours]:
    return lru_cache(None)(lambda model: Ours(models / model))


def use(
    ours: Ours,
    action: LatentsAction,
    samples: np.ndarray,
    *,
    step: int = 0,
    pictures: bool = False,
    **fields: object,
) -> Sequence[Picture]:
    """One use of a tool on a picture u8 `(h, w, 3)` or on latents `(rows, w, 1)`; its results."""
    spec = job_service_pb2.JobSpec(**{"steps": STEPS, "seed": 1, "guidance_scale": 5.0, **fields})
    spec.use_latents.action, spec.use_latents.step = ACTIONS[action], step
    spec.use_latents.step_pictures = pictures
    spec.use_latents.image.blob = "blobs/image"
    decoding = action is LatentsAction.DECODE
    spec.output_layout.CopyFrom(format_to_layout(RGB if decoding else LATENTS_FORMAT))
    format = RGB if samples.dtype == np.uint8 else LATENTS_FORMAT
    height, width = samples.shape[:2]
    raster = Raster.over(np.ascontiguousarray(samples).tobytes(), format, width, height)
    task = ours.family.prepare(Assignment("jobs/1", spec, {"blobs/image": raster}))
    assert task.plan[-1].steps == 1
    while not task.ready_to_finish:
        ours.family.needs([task])
        ours.family.step([task])
    return ours.family.finish(task)


def first(results: Sequence[Picture]) -> np.ndarray:
    return np.asarray(results[0].samples)


def as_tensor(latents: np.ndarray, like: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(latents.reshape(tuple(like.shape)))


@pytest.mark.parametrize("step", [0, 2, 5])
@pytest.mark.parametrize(
    ("model", "scheduler"),
    [
        ("plain", "ddim"),
        ("plain", "euler-a"),
        ("plain", "dpmpp-2m"),
        ("small", "euler"),
        ("sdxl", "heun"),
        ("flux-dev", "flow-match-euler"),
    ],
)
def test_noising_to_a_step_and_denoising_from_it_is_image_to_image(
    engine: Callable[[str], Ours], model: str, scheduler: str, step: int
) -> None:
    ours, words = engine(model), {"prompt": "green moss", "negative_prompt": "water"}
    strength = (STEPS - step) / STEPS
    case = Case("img2img", scheduler, steps=STEPS, strength=strength, prompt="green moss", negative="water")
    reference = ours.latents(case)
    clean = first(use(ours, LatentsAction.ENCODE, photo()))
    noised = first(use(ours, LatentsAction.NOISE, clean, step=step, scheduler=scheduler))
    made = first(use(ours, LatentsAction.DENOISE, noised, step=step, scheduler=scheduler, **words))
    assert torch.equal(as_tensor(made, reference), reference)
    other = first(use(ours, LatentsAction.DENOISE, noised, step=step, scheduler=scheduler, prompt="sky"))
    assert distance(as_tensor(other, reference), reference) >= SENSITIVITY / 10


@pytest.mark.parametrize("model", ["plain", "small", "sdxl", "flux-dev"])
def test_latents_are_the_models_own_and_decode_to_its_picture(
    engine: Callable[[str], Ours], model: str
) -> None:
    ours, parts = engine(model), engine(model).family._parts
    latents = first(use(ours, LatentsAction.ENCODE, photo()))
    channels, factor = parts.autoencoder.channels, parts.factor
    assert latents.shape == (channels * 64 // factor, 64 // factor, 1) and latents.dtype == np.float32
    with torch.inference_mode():
        encoded = parts.autoencoder.encode(photo().astype(np.float32) / 255, torch.Generator().manual_seed(1))
        decoded = parts.autoencoder.decode(encoded)[0].permute(1, 2, 0).numpy()
    assert torch.equal(as_tensor(latents, encoded), encoded)
    picture = first(use(ours, LatentsAction.DECODE, latents))
    np.testing.assert_array_equal(picture, np.rint(decoded * 255).astype(np.uint8))


@pytest.mark.parametrize(("model", "scheduler"), [("plain", "ddim"), ("plain", "euler"), ("small", "heun")])
def test_step_pictures_go_from_the_photograph_to_noise_and_back(
    engine: Callable[[str], Ours], model: str, scheduler: str
) -> None:
    ours = engine(model)
    clean = first(use(ours, LatentsAction.ENCODE, photo()))
    whole = first(use(ours, LatentsAction.DECODE, clean)).astype(np.float32)
    noised = use(ours, LatentsAction.NOISE, clean, step=2, pictures=True, scheduler=scheduler)
    assert len(noised) == 1 + (STEPS - 2) + 1
    away = [float(np.abs(np.asarray(one.samples, np.float32) - whole).mean()) for one in noised[1:]]
    assert away[0] == 0.0 and away == sorted(away) and away[-1] > 1.0
    made = use(ours, LatentsAction.DENOISE, first(noised), step=2, pictures=True, scheduler=scheduler)
    np.testing.assert_array_equal(made[1].samples, noised[-1].samples)
    final = first(use(ours, LatentsAction.DECODE, first(made)))
    np.testing.assert_array_equal(made[-1].samples, final)


def test_what_does_not_fit_the_model_is_said(engine: Callable[[str], Ours]) -> None:
    with pytest.raises(InvalidRequest, match="latents have 4 channels of equal height"):
        use(engine("plain"), LatentsAction.DECODE, np.zeros((30, 8, 1), np.float32))
    with pytest.raises(OperationUnsupported, match="cannot do img2img"):
        use(engine("inpaint"), LatentsAction.ENCODE, photo())
