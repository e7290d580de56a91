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


def new(channels: int, *, looks: bool = False) -> UNet2DConditionModel:
    """Untrained U-Net of 4 or 9 input channels; words reach every block through the time
    embedding and the middle through attention, which alone in outer blocks would cost 40 %.

    One that ``looks`` compares every place with every other one in its two inner sizes too: what
    a hole goes on with stands at its far side as often as next to it.
    """
    plain, far = "DownBlock2D", "AttnDownBlock2D" if looks else "DownBlock2D"
    up, up_far = "UpBlock2D", "AttnUpBlock2D" if looks else "UpBlock2D"
    return UNet2DConditionModel(
        sample_size=32, in_channels=channels, out_channels=4, layers_per_block=1,
        block_out_channels=(64, 128, 192), norm_num_groups=16, cross_attention_dim=128,
        down_block_types=(plain, far, far), up_block_types=(up_far, up_far, up),
        mid_block_type="UNetMidBlock2DCrossAttn", attention_head_dim=8,
        addition_embed_type="text", addition_embed_type_num_heads=4,
        resnet_time_scale_shift="scale_shift",
    )  # fmt: skip


def grow(state: State, net: UNet2DConditionModel) -> State:
    """The weights of a net that does not look, for one that does: what is new adds nothing yet."""
    grown = {key: value.clone() for key, value in net.state_dict().items()}
    for key in grown.keys() - state.keys():
        if ".to_out." in key:
            grown[key].zero_()
    return grown | state


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


def nine() -> UNet2DConditionModel:
    """The best nine-channel net, float32: refined where there was time, else as trained for both."""
    own = (cache() / "inpaint.pt").exists()
    net = new(9, looks=own)
    net.load_state_dict(averaged("inpaint" if own else "unet")["unet"])
    return net.eval()
