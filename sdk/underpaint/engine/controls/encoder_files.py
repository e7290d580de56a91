"""Image encoders out of one safetensors file, as ComfyUI's `clip_vision` has them. Nothing is fetched."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from underpaint.engine.controls.describe import unusable
from underpaint.engine.controls.describe_file import with_untold
from underpaint.engine.diffusion.fitting import check_fit
from underpaint.engine.diffusion.original_names import State
from underpaint.engine.diffusion.single_file import tensors
from underpaint.weights.image_encoders import COMPONENT, PREFIXES, UNTOLD, image_encoder_config
from underpaint.weights.safetensors import read_safetensors

_PROJECTION = "visual_projection.weight"
# Numbers that count positions, which today's networks make themselves.
_IDLE = "embeddings.position_ids"
_ENDS = {
    "class_embedding": "embeddings.class_embedding",
    "conv1.weight": "embeddings.patch_embedding.weight",
    "positional_embedding": "embeddings.position_embedding.weight",
    **{f"ln_pre.{kind}": f"pre_layrnorm.{kind}" for kind in ("weight", "bias")},
    **{f"ln_post.{kind}": f"post_layernorm.{kind}" for kind in ("weight", "bias")},
}
_LAYER = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}


def encoder_config(path: Path) -> Mapping[str, Any]:
    """The configuration of an encoder in a file. Raises `ModelUnusable`."""
    config = image_encoder_config(read_safetensors(path))
    if config is None:
        raise unusable(path, "its tensors are not those of CLIP's or SigLIP's half for pictures")
    return with_untold(path, config, UNTOLD)


def load_encoder(kind: Any, path: Path, config: Mapping[str, Any], dtype: torch.dtype) -> Any:
    """An encoder of transformers' class `kind` on the CPU. Raises `ValueError` naming what does not fit."""
    from accelerate import init_empty_weights

    with init_empty_weights(include_buffers=False):
        network = kind(kind.config_class.from_dict(dict(config)))
    wanted = network.state_dict()
    prefix = "vision_model." if any(name.startswith("vision_model.") for name in wanted) else ""
    state = {
        name if name == _PROJECTION else f"{prefix}{name}": tensor
        for name, tensor in _named(path).items()
        if name != _IDLE and (name in wanted or name != _PROJECTION)
    }
    check_fit(network, {name: tuple(tensor.shape) for name, tensor in state.items()})
    network.load_state_dict({name: tensor.to(dtype) for name, tensor in state.items()}, assign=True)
    return network.eval().requires_grad_(False)


def _named(path: Path) -> State:
    """A file's tensors under transformers' names, the vision model's alone, its prefix taken off."""
    found = tensors(path, COMPONENT)
    prefix = next((one for one in PREFIXES if any(name.startswith(one) for name in found)), "")
    # The whole of CLIP has its half for text beside it.
    state = {name.removeprefix(prefix): tensor for name, tensor in found.items() if name.startswith(prefix)}
    if "conv1.weight" in state:
        return _from_open_clip(state)
    return {**state, **{name: found[name] for name in (_PROJECTION,) if name in found}}


def _from_open_clip(state: State) -> State:
    """From OpenCLIP's names, which join query, key and value and turn the projection over."""
    made: State = {}
    for name, tensor in state.items():
        if name == "proj":
            made[_PROJECTION] = tensor.T.contiguous()
            continue
        number, _, rest = name.removeprefix("transformer.resblocks.").partition(".")
        place, inner, kind = f"encoder.layers.{number}", *_split(rest)
        if inner == "attn.in_proj":
            for one, part in zip("qkv", tensor.chunk(3), strict=True):
                made[f"{place}.self_attn.{one}_proj.{kind}"] = part
        elif inner in _LAYER:
            made[f"{place}.{_LAYER[inner]}.{kind}"] = tensor
        else:
            made[_ENDS.get(name, name)] = tensor
    return made


def _split(rest: str) -> tuple[str, str]:
    """`attn.in_proj` and `weight` of `attn.in_proj_weight`, as of any other layer's `ln_1.weight`."""
    rest = rest.replace("in_proj_", "in_proj.")
    inner, _, kind = rest.rpartition(".")
    return inner, kind
