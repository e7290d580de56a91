"""Going on from the shipped weights, and what the decoder and the net for holes are taught."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from training import control, decoder, latents, nets, unet
from training.adopt import adopt
from training.export import MODELS
from training.masters import Masters, averaged


def test_the_shipped_weights_stand_in_for_checkpoints_that_are_missing(cache: Path) -> None:
    torch.save({"averaged": {}}, cache / "lines.pt")
    assert set(adopt()) == {"vae", "words", "swatch", "inpaint", "height"}
    shipped = UNet2DConditionModel.from_pretrained(MODELS / "swatch-inpaint" / "unet")
    for name, value in averaged("inpaint")["unet"].items():
        assert torch.equal(value, shipped.state_dict()[name].float()), name
    assert adopt() == []


def test_a_net_adopted_and_exported_again_is_as_loud_as_before(cache: Path) -> None:
    adopt()
    shipped = ControlNetModel.from_pretrained(MODELS / "swatch-lines").state_dict()
    again = control.trained("lines").state_dict()
    for name, value in shipped.items():
        assert torch.allclose(again[name], value.float(), atol=1e-6), name


def test_a_training_begins_from_adopted_weights_with_a_fresh_optimizer(cache: Path) -> None:
    adopt()
    net = nets.new(9, looks=True)
    masters = Masters({"unet": net}, 1e-3)
    assert masters.load(cache / "inpaint.pt") is None
    assert masters.steps == 0
    wanted = averaged("inpaint")["unet"]
    assert all(torch.equal(value, wanted[name]) for name, value in net.state_dict().items())


def test_a_grid_in_a_picture_costs_and_its_absence_does_not() -> None:
    truth = torch.rand(2, 3, 80, 80) * 0.1
    stripes = 0.3 * (torch.arange(80) % decoder.CELL == 0).float()
    assert float(decoder.grid(truth, truth)) == 0.0
    assert float(decoder.grid(truth + stripes, truth)) > 0.02
    assert float(decoder.grid(truth + stripes[:, None], truth)) > 0.02


def test_a_crop_with_a_hole_shows_what_is_around_it() -> None:
    rng = np.random.default_rng(0)
    stack = torch.zeros(9, 32, 32)
    stack[4, 8:24, 8:24] = 1.0
    shares = [float(latents._with_border(stack, 16, rng)[4].mean()) for _ in range(50)]
    assert all(0.1 < share < 0.8 for share in shares)


def test_the_rim_of_a_hole_counts_the_most_and_what_is_given_the_least() -> None:
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., 2:7, 2:7] = 1.0
    weight = unet._weight(mask)[0, 0]
    assert float(weight[2, 4]) > float(weight[4, 4]) > float(weight[0, 0]) > 0.0
