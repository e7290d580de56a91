"""The U-Net's shape and noise schedule, and how nine input channels become four."""

from __future__ import annotations

import numpy as np
import torch
from diffusers import UNet2DConditionModel

from .masters import State, averaged
from .paths import cache

SCHEDULE = {
    "beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction",
    "clip_sample": False, "timestep_spacing": "trailing", "num_train_timesteps": 1000,
    "set_alpha_to_one": True, "steps_offset": 1,
}  # fmt: skip


def new(channels: int) -> UNet2DConditionModel:
    """Untrained U-Net of 4 or 9 input channels; words reach every block through the time
    embedding and the middle through attention, which alone in outer blocks would cost 40 %."""
    return UNet2DConditionModel(
        sample_size=32, in_channels=channels, out_channels=4, layers_per_block=1,
        block_out_channels=(64, 128, 192), norm_num_groups=16, cross_attention_dim=128,
        down_block_types=("DownBlock2D",) * 3, up_block_types=("UpBlock2D",) * 3,
        mid_block_type="UNetMidBlock2DCrossAttn", attention_head_dim=8,
        addition_embed_type="text", addition_embed_type_num_heads=4,
        resnet_time_scale_shift="scale_shift",
    )  # fmt: skip


def fold(state: State) -> State:
    """Nine input channels to four: the full mask and the grey picture become a bias."""
    grey = torch.from_numpy(np.load(cache() / "latents" / "grey.npy")).float()
    constant = torch.cat([torch.ones(1), grey])
    weight = state["conv_in.weight"]
    folded = dict(state)
    folded["conv_in.weight"] = weight[:, :4].clone()
    extra = (weight[:, 4:] * constant[None, :, None, None]).sum((1, 2, 3))
    folded["conv_in.bias"] = state["conv_in.bias"] + extra
    return folded


def four() -> UNet2DConditionModel:
    """The best four-channel net, float32: refined where there was time, else folded."""
    net = new(4)
    own = (cache() / "swatch.pt").exists()
    net.load_state_dict(averaged("swatch")["unet"] if own else fold(averaged("unet")["unet"]))
    return net.eval()
