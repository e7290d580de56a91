"""What a hole holds before the first step."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.unit.engine.stock import Case, Ours, disc, photo
from underpaint.engine.diffusion.vae_steps import _replan
from underpaint.engine.family import Assignment
from underpaint.engine.inpaint import fill_hole
from underpaint.errors import PluginFailed
from underpaint.wire.ranges import FILL_MODES

MASK = disc(64, 64, 16, 34, 30).astype(np.float32) / 255
RGB = photo().astype(np.float32) / 255


@pytest.mark.parametrize("mode", FILL_MODES)
def test_only_the_hole_is_filled_and_a_soft_edge_mixes(mode: str) -> None:
    soft = np.clip(MASK * 0.5, 0.0, 1.0)
    hard, half = fill_hole(RGB, MASK, mode, 3), fill_hole(RGB, soft, mode, 3)
    assert hard.shape == RGB.shape and hard.dtype == np.float32
    assert hard.min() >= 0.0 and hard.max() <= 1.0
    assert np.array_equal(hard[MASK == 0.0], RGB[MASK == 0.0])
    assert (hard == RGB).all() == (mode == "keep")
    if mode not in ("keep", "border", "continue"):  # the border's own pixels depend on where it is
        assert np.allclose(half, (RGB + hard) / 2, atol=1e-6)


def test_each_mode_does_what_it_is_called() -> None:
    stripes = np.repeat(np.linspace(0.2, 0.8, 64, dtype=np.float32)[:, None], 64, axis=1)
    ramp = np.dstack([stripes] * 3)
    spotted = ramp.copy()
    spotted[MASK > 0.0] = 1.0
    inside = MASK > 0.0
    assert np.all(fill_hole(spotted, MASK, "neutral", 0)[inside] == 0.5)
    # What goes on from the border is the ramp again, and nothing of the spot.
    border = fill_hole(spotted, MASK, "border", 0)
    assert np.abs(border - ramp)[inside].mean() < 0.05
    blurred = fill_hole(spotted, MASK, "blur", 0)
    assert blurred[inside].std() < spotted.std()
    assert blurred[inside].mean() > ramp[inside].mean() + 0.1, "a blur keeps the spot's own colour"
    noise = fill_hole(spotted, MASK, "noise", 5)
    assert np.array_equal(noise, fill_hole(spotted, MASK, "noise", 5))
    assert not np.array_equal(noise, fill_hole(spotted, MASK, "noise", 6))


@pytest.mark.parametrize("size", [96, 320])
@pytest.mark.parametrize("strength", [0.4, 0.9])
def test_a_pattern_is_carried_on_where_it_would_have_gone_on(size: int, strength: float) -> None:
    rows, columns = np.mgrid[:size, :size] * 12 // size
    checker = np.repeat(((rows + columns) % 2 * 0.8 + 0.1)[..., None], 3, axis=2).astype(np.float32)
    mask = np.zeros((size, size), np.float32)
    mask[size // 3 : -size // 4, size // 4 : -size // 3] = 1.0
    holed = np.where(mask[..., None] > 0.0, np.float32(0.5), checker)
    carried_on = fill_hole(holed, mask, "continue", 0, strength)
    inside = mask > 0.0
    # Where fields meet, shrinking softens them.
    assert np.median(np.abs(carried_on - checker)[inside]) < 0.02
    assert np.abs(carried_on - checker)[inside].mean() < 0.1
    assert np.abs(fill_hole(holed, mask, "border", 0) - checker)[inside].mean() > 0.3


def test_a_large_hole_shows_no_colour_that_is_not_around_it() -> None:
    grey = np.random.default_rng(3).integers(40, 200, (64, 64, 1)).astype(np.float32) / 255
    stones = cv2.resize(grey, (256, 256), interpolation=cv2.INTER_CUBIC).clip(0.1, 0.9)
    picture, mask = np.dstack([stones] * 3), np.zeros((256, 256), np.float32)
    cv2.circle(mask, (128, 128), 115, 1.0, -1)
    filled = fill_hole(np.where(mask[..., None] > 0.0, np.float32(0.5), picture), mask, "continue", 0)
    assert np.ptp(filled, axis=2).max() < 0.1, "stones are grey"


def test_a_pattern_reaches_the_far_edge_of_a_hole_at_the_side() -> None:
    rows, columns = np.mgrid[:128, :192] // 8
    checker = np.repeat(((rows + columns) % 2 * 0.8 + 0.1)[..., None], 3, axis=2).astype(np.float32)
    mask = np.zeros((128, 192), np.float32)
    mask[:, 88:] = 1.0
    carried_on = fill_hole(np.where(mask[..., None] > 0.0, np.float32(0.5), checker), mask, "continue", 0)
    far = carried_on[:, -16:]
    assert np.minimum(np.abs(far - 0.1), np.abs(far - 0.9)).mean() < 0.05, "fields, and no smear of them"
    assert far.std() > 0.3


@pytest.mark.parametrize("mode", ["border", "continue"])
def test_surroundings_that_are_not_there_are_grey(mode: str) -> None:
    everything = np.ones((64, 64), np.float32)
    assert np.all(fill_hole(RGB, everything, mode, 0) == 0.5)


def test_an_opencv_that_cannot_carry_a_picture_on_says_which_package_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(cv2, "xphoto")
    with pytest.raises(PluginFailed, match="opencv-contrib-python-headless"):
        fill_hole(RGB, MASK, "continue", 0)


def test_a_large_picture_is_filled_at_a_size_that_takes_no_long() -> None:
    large = np.zeros((700, 1100, 3), np.float32)
    large[..., 0] = 0.75
    mask = np.zeros((700, 1100), np.float32)
    mask[200:500, 300:800] = 1.0
    large[mask > 0.0] = 0.0
    filled = fill_hole(large, mask, "border", 0)
    assert np.abs(filled - [0.75, 0.0, 0.0]).max() < 0.05


@pytest.mark.parametrize("model", ["plain", "inpaint"])
def test_where_noise_is_not_all_the_model_starts_from_what_the_mode_says(models: Path, model: str) -> None:
    engine = Ours(models / model)
    made: dict[tuple[str, float], torch.Tensor] = {}
    for mode in ("", "keep", "border", "continue"):
        for strength in (0.5, 1.0):
            case = Case("inpaint", "ddim", strength=strength)
            spec = case.spec()
            spec.inpaint.fill_mode = mode
            task = engine.family.prepare(Assignment("jobs/1", spec, case.inputs()))
            assert task.resolved.inpaint.fill_mode == (mode or "keep")
            while not task.ready_to_finish:
                engine.family.step([task])
            assert task.current.latents is not None
            made[mode, strength] = task.current.latents
    assert torch.equal(made["", 0.5], made["keep", 0.5])
    assert not torch.allclose(made["border", 0.5], made["keep", 0.5], atol=1e-3)
    assert not torch.allclose(made["continue", 0.5], made["border", 0.5], atol=1e-3)
    assert torch.equal(made["border", 1.0], made["keep", 1.0]), "nothing is left of it in pure noise"


@pytest.mark.parametrize("edge", [0, 4], ids=["in one piece", "in tiles"])
@pytest.mark.parametrize(("strength", "share"), [(0.2, 1.0), (0.4, 0.4), (0.6, 0.0)])
def test_what_the_autoencoder_loses_of_a_pattern_comes_back_at_low_strengths(
    models: Path, strength: float, share: float, edge: int
) -> None:
    engine = Ours(models / "small-inpaint")
    spec = (case := Case("inpaint", "ddim", steps=10, strength=strength)).spec()
    spec.inpaint.fill_mode = "continue"
    task = engine.family.prepare(Assignment("jobs/1", spec, case.inputs()))
    one, parts = task.passes[0], engine.family._parts
    one.decode_edge = edge
    _replan(task, parts, 0)
    assert one.detail == pytest.approx(share)
    while not task.ready_to_finish:
        engine.family.step([task])
    assert one.latents is not None and one.image_latents is not None and one.image is not None
    with torch.inference_mode():
        plain, lossy = (
            parts.autoencoder.decode(latents)[0].permute(1, 2, 0).numpy()
            for latents in (one.latents, one.image_latents)
        )
    assert np.abs(one.image - lossy).max() > 0.05, "this autoencoder loses something"
    wanted = np.clip(plain + share * (one.image - lossy), 0.0, 1.0)
    assert task.made is not None
    # Tiles are blended where they meet.
    assert np.abs(task.made - wanted).mean() < (0.05 if edge else 1e-6)
