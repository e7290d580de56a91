"""The weights that are in the box, as diffusers and the daemon see them."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel, StableDiffusionControlNetPipeline, UNet2DConditionModel
from PIL import Image
from training import captions
from training.export import CONTROLS, MODELS

from underpaint.daemon.controls import ControlIndex, roles_of
from underpaint.daemon.models import ModelIndex, choose_defaults
from underpaint.daemon.plugins import Plugins

LIMITS_MB = {"swatch": 32, "swatch-inpaint": 28, "swatch-lines": 12, "swatch-height": 12}


@pytest.mark.parametrize(("name", "limit"), LIMITS_MB.items())
def test_a_folder_is_no_larger_than_promised(name: str, limit: int) -> None:
    size = sum(path.stat().st_size for path in (MODELS / name).rglob("*") if path.is_file())
    assert 5e6 < size < limit * 1e6


async def test_the_daemon_lists_both_models_and_which_control_nets_steer_them() -> None:
    index = ModelIndex([MODELS], load_plugins=partial(Plugins, installed_models=False))
    found = await index.all("")
    assert [(model.name, model.problem) for model in found] == [("swatch", ""), ("swatch-inpaint", "")]
    files = await index.all("control-net")
    assert [model.name for model in files] == ["control-net:swatch-height", "control-net:swatch-lines"]
    assert choose_defaults(found, "", "") == ("swatch", "swatch-inpaint")
    nets = await ControlIndex(index).all()
    assert [(net.name, net.problem) for net in nets] == [("swatch-height", ""), ("swatch-lines", "")]
    roles = {"canny": "swatch-lines", "depth": "swatch-height"}
    roles |= {"height": "swatch-height", "line-art": "swatch-lines"}
    for model in found:
        assert {one.role: one.models for one in roles_of(model, nets)} == {
            role: (name,) for role, name in roles.items()
        }


@pytest.mark.parametrize("kind", CONTROLS)
def test_what_is_said_of_a_control_net_is_what_is_exported(kind: str) -> None:
    facts = json.loads((MODELS / f"swatch-{kind}" / "underpaint.json").read_text("utf-8"))
    assert facts == {**CONTROLS[kind], "license": "Apache-2.0"}


def test_what_is_said_of_words_is_what_was_trained() -> None:
    facts = json.loads((MODELS / "swatch" / "underpaint.json").read_text("utf-8"))
    assert facts["vocabulary"] == captions.vocabulary()
    assert facts["near_words"] == captions.NEAR


@pytest.mark.parametrize("kind", ["lines", "height"])
def test_stock_pipelines_are_steered_by_a_control_net(kind: str) -> None:
    net = ControlNetModel.from_pretrained(MODELS / f"swatch-{kind}", torch_dtype=torch.float32)
    pipeline = StableDiffusionControlNetPipeline.from_pretrained(
        MODELS / "swatch", controlnet=net, safety_checker=None, torch_dtype=torch.float32
    )
    pipeline.set_progress_bar_config(disable=True)
    drawing = np.zeros((128, 128, 3), np.uint8)
    drawing[32:96, 32:96] = 255

    def paint(scale: float) -> np.ndarray:
        return pipeline(
            "grey brick", image=Image.fromarray(drawing), num_inference_steps=2, guidance_scale=1.0,
            controlnet_conditioning_scale=scale, generator=torch.Generator().manual_seed(1),
            height=128, width=128, output_type="np",
        ).images  # fmt: skip

    assert np.abs(paint(1.0) - paint(0.0)).mean() > 0.01


@pytest.mark.parametrize("name", ["swatch", "swatch-inpaint"])
def test_a_net_takes_every_size_that_its_folder_promises(name: str) -> None:
    facts = json.loads((MODELS / name / "underpaint.json").read_text())
    net = UNet2DConditionModel.from_pretrained(MODELS / name / "unet")
    for steps in ((9, 11), (8, 13)):
        height, width = (facts["size_multiple_px"] * count // 8 for count in steps)
        x = torch.zeros(1, net.config.in_channels, height, width)
        with torch.inference_mode():
            made = net(x, 500, encoder_hidden_states=torch.zeros(1, 16, 128), return_dict=False)[0]
        assert made.shape == (1, 4, height, width)
