"""What adapters must agree with to fit a U-Net, beside U-Nets of that shape."""

from __future__ import annotations

import json
from typing import Any

import diffusers
import pytest
import torch

from underpaint.engine.controls.bases import adapter_bases, attention_base, cross_attention_widths
from underpaint.engine.controls.places import attentions
from underpaint.engine.families.single_file import CONFIGS


def config(family: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CONFIGS / family / "unet" / "config.json").read_text("utf-8"))
    return found


@pytest.mark.parametrize(("family", "count"), [("sd15", 16), ("sdxl", 70)])
def test_the_cross_attentions_are_those_of_the_u_net_in_diffusers_order(family: str, count: int) -> None:
    with torch.device("meta"):
        unet: Any = diffusers.UNet2DConditionModel.from_config(config(family))
    named = dict(attentions(unet))
    order = [name.removesuffix(".processor") for name in unet.attn_processors if "attn2" in name]
    widths = [named[name].to_q.weight.shape[0] for name in order]
    assert len(widths) == count
    assert cross_attention_widths(config(family)) == widths


def test_words_are_short_and_told_apart() -> None:
    assert adapter_bases(config("sd15"), 8) == {
        "ip-adapter": "cross-attentions 2x320 2x640 5x1280 3x640 3x320 1x1280, text 768",
        "t2i-adapter": "features 320@8 640@16 1280@32 1280@64",
    }
    assert adapter_bases(config("sdxl"), 8) == {
        "ip-adapter": "cross-attentions 4x640 50x1280 6x640 10x1280, text 2048",
        "t2i-adapter": "features 320@16 640@16 1280@32",
    }
    assert attention_base([1, 1, 2], 3) != attention_base([1, 2, 2], 3)
