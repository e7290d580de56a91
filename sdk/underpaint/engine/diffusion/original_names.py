"""From the names that a weight file has to those that diffusers and transformers know.

A file may be in either naming: whose names they are is seen from a single tensor. Values stay as they are,
but for what the namings arrange differently (OpenCLIP's joined projections, FLUX's scale and shift).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch

from underpaint.engine.diffusion.flux_names import flux_net_to_diffusers, flux_to_diffusers

State = dict[str, torch.Tensor]

_LDM_UNET = "model.diffusion_model."
_LAYER = re.compile(r"body\.(?P<layer>\d+)\.(?P<inner>in_conv|block1|block2)\.(?P<kind>weight|bias)")


def network_names(component: str, state: State, config: Mapping[str, Any]) -> State:
    """The state of a denoiser or an autoencoder, its prefix taken off, under diffusers' names."""
    from diffusers.loaders import single_file_utils as names

    if component == "unet" and "input_blocks.0.0.weight" in state:
        prefixed = {f"{_LDM_UNET}{name}": tensor for name, tensor in state.items()}
        denoiser: State = names.convert_ldm_unet_checkpoint(prefixed, dict(config))
        return denoiser
    if component == "vae" and any(name.startswith("decoder.mid.") for name in state):
        autoencoder: State = names.convert_ldm_vae_checkpoint(state, dict(config))
        return autoencoder
    if component == "transformer" and any(name.startswith("double_blocks.") for name in state):
        return flux_to_diffusers(state)
    if component == "control_net" and "input_hint_block.0.weight" in state:
        return _control_net(state, config)
    if component == "preview":
        return _tiny_decoder(state)
    if component == "t2i_adapter":
        return _adapter(state, config)
    if component == "flux_control_net" and any(name.startswith("double_blocks.") for name in state):
        return flux_net_to_diffusers(state)
    return state


def _control_net(state: State, config: Mapping[str, Any]) -> State:
    """A control net of a U-Net; what no rule knows keeps its name, and is found too many."""
    from diffusers.loaders import single_file_utils as names

    # The converter leaves out the sizes that SDXL reads, and gives None for what is not there.
    sizes = names.DIFFUSERS_TO_LDM_MAPPING["controlnet"]["addition_embed_type"]
    made = {
        **names.convert_controlnet_checkpoint(state, dict(config)),
        **{new: state[old] for new, old in sizes.items() if old in state},
    }
    made = {name: tensor for name, tensor in made.items() if tensor is not None}
    used = {id(tensor) for tensor in made.values()}
    return {**made, **{name: tensor for name, tensor in state.items() if id(tensor) not in used}}


def clip_names(network: Any, state: State) -> State:
    """The state of a CLIP text encoder, its prefix taken off, under the names of this transformers.

    `network` is the encoder that it is for, on any device.
    """
    from diffusers.loaders.single_file_utils import convert_open_clip_checkpoint

    if "transformer.resblocks.0.attn.in_proj_weight" in state:
        state = convert_open_clip_checkpoint(network, state, prefix="")
    wanted = network.state_dict()
    named = any(name.startswith("text_model.") for name in wanted)
    # transformers 5 dropped the word from its names; files have it, or not.
    plain = {name.removeprefix("text_model."): tensor for name, tensor in state.items()}
    if not named:
        return plain
    bare = ("text_projection.", "logit_scale")
    return {name if name.startswith(bare) else f"text_model.{name}": tensor for name, tensor in plain.items()}


def _adapter(state: State, config: Mapping[str, Any]) -> State:
    """A T2I adapter, its prefix taken off; its authors count the layers of all blocks in one row."""
    if any(".resnets." in name for name in state):
        return {f"adapter.{name}": tensor for name, tensor in state.items()}
    layers = int(config["num_res_blocks"])

    def renamed(name: str) -> str:
        found = _LAYER.fullmatch(name)
        if found is None:
            return name
        block, layer = divmod(int(found["layer"]), layers)
        if found["inner"] == "in_conv":
            return f"body.{block}.in_conv.{found['kind']}" if layer == 0 else name
        return f"body.{block}.resnets.{layer}.{found['inner']}.{found['kind']}"

    return {f"adapter.{renamed(name)}": tensor for name, tensor in state.items()}


def _tiny_decoder(state: State) -> State:
    """A tiny autoencoder's decoder alone; its author counts the clamp before it as a layer."""
    if "1.weight" not in state:
        return {name: tensor for name, tensor in state.items() if not name.startswith("encoder.")}
    split = ((*name.partition("."), tensor) for name, tensor in state.items())
    return {f"decoder.layers.{int(layer) - 1}.{rest}": tensor for layer, _, rest, tensor in split}
