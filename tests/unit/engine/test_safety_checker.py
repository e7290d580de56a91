"""The stock checker as a filter: the same verdicts, in words, and never a black picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from PIL import Image as Pictures
from transformers import CLIPConfig, CLIPImageProcessor

from tests.unit.engine.stock import photo
from underpaint.engine.family import Picture
from underpaint.engine.filters import checker, safety_checker
from underpaint.engine.screening import screen
from underpaint.errors import ContentRefused, InvalidRequest
from underpaint.types import Alpha, Channels, PixelFormat
from underpaint.v1.job_service_pb2 import JobSpec
from underpaint.worker_v1.worker_service_pb2 import PluginFunction

RGB = PixelFormat(Channels.RGB, alpha=Alpha.NONE)
EDGE = 32


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checker that minds pictures like `photo()` and nothing else."""
    torch.manual_seed(0)
    vision = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "image_size": EDGE, "patch_size": 8, "projection_dim": 8,
    }  # fmt: skip
    made = StableDiffusionSafetyChecker(CLIPConfig(vision_config=vision, projection_dim=8))
    processor = CLIPImageProcessor(size={"shortest_edge": EDGE}, crop_size={"height": EDGE, "width": EDGE})
    pixels = processor([Pictures.fromarray(photo())], return_tensors="pt").pixel_values
    with torch.no_grad():
        like_it = made.visual_projection(made.vision_model(pixels)[1])
        made.concept_embeds.copy_(like_it.expand_as(made.concept_embeds))
        made.concept_embeds_weights.fill_(0.99)
        made.special_care_embeds_weights.fill_(2.0)
    folder = tmp_path_factory.mktemp("weights") / "safety_checker"
    made.save_pretrained(folder, safe_serialization=True)
    return folder


def rgba(rgb: np.ndarray) -> np.ndarray:
    return np.dstack([rgb / 255, np.ones(rgb.shape[:2])]).astype(np.float32)


def other() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)


def test_it_says_what_the_stock_checker_says(weights: Path) -> None:
    options: dict[str, Any] = {"folder": str(weights)}
    said = checker.check_picture(rgba(photo()), {}, options)
    assert said == safety_checker.MESSAGE
    assert checker.check_picture(rgba(photo()), {}, {**options, "message": "Not here."}) == "Not here."
    assert checker.check_picture(rgba(other()), {}, options) == ""


def test_a_refused_picture_is_refused_in_words_and_stays_as_it_was(weights: Path) -> None:
    look = PluginFunction(
        name="safety-checker",
        engine="underpaint.engine.filters.checker:check_picture",
        options_json=f'{{"folder": "{weights}"}}',
    )
    samples = photo()
    with pytest.raises(ContentRefused, match="nothing was kept") as raised:
        screen([Picture(samples, RGB, 0, 0)], JobSpec(prompt="x"), [look])
    assert raised.value.metadata == {"filter": "safety-checker"}
    assert np.array_equal(samples, photo())
    screen([Picture(other(), RGB, 0, 0)], JobSpec(prompt="x"), [look])


@pytest.mark.parametrize("options", [{}, {"folder": ""}, {"folder": "/nowhere"}])
def test_without_weights_it_lets_nothing_pass_and_says_what_to_do(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="the folder safety_checker of a model"):
        safety_checker.check_request({}, options)


def test_requests_pass_where_the_weights_are_there(weights: Path) -> None:
    assert safety_checker.check_request({"prompt": "x"}, {"folder": str(weights)}) == ""
