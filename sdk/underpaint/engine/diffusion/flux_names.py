"""FLUX.1's transformer from Black Forest Labs' names to diffusers', for any width.

diffusers' own converter knows the released width only. What is joined there is separate here: query, key
and value, and in single blocks the MLP's input beside them; scale and shift of the last norm change places.
Works on tensors whose columns are packed (GGUF): only rows are ever cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch

_EMBEDDERS = {
    "time_in": "time_text_embed.timestep_embedder",
    "vector_in": "time_text_embed.text_embedder",
    "guidance_in": "time_text_embed.guidance_embedder",
}
_LAYERS = {"in_layer": "linear_1", "out_layer": "linear_2"}
_ENDS = {"txt_in": "context_embedder", "img_in": "x_embedder", "final_layer.linear": "proj_out"}
_DOUBLE = {
    "img_mod.lin": "norm1.linear",
    "txt_mod.lin": "norm1_context.linear",
    "img_attn.proj": "attn.to_out.0",
    "txt_attn.proj": "attn.to_add_out",
    "img_attn.norm.query_norm": "attn.norm_q",
    "img_attn.norm.key_norm": "attn.norm_k",
    "txt_attn.norm.query_norm": "attn.norm_added_q",
    "txt_attn.norm.key_norm": "attn.norm_added_k",
    "img_mlp.0": "ff.net.0.proj",
    "img_mlp.2": "ff.net.2",
    "txt_mlp.0": "ff_context.net.0.proj",
    "txt_mlp.2": "ff_context.net.2",
}
_SINGLE = {
    "modulation.lin": "norm.linear",
    "norm.query_norm": "attn.norm_q",
    "norm.key_norm": "attn.norm_k",
    "linear2": "proj_out",
}
_JOINED = {
    "img_attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "txt_attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
}
_HINT = "input_hint_block."
# Rows of a single block's first layer: query, key, value, and the MLP's four shares.
_SHARES = 7


def flux_to_diffusers(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The state under diffusers' names; what no rule knows keeps its name, and is found too many."""
    return {new: tensor for name, old in state.items() for new, tensor in _renamed(name, old)}


def flux_net_to_diffusers(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A control net of FLUX.1 as XLabs names it: half a transformer, and what reads the control image."""
    hints = sorted({int(name.split(".")[1]) for name in state if name.startswith(_HINT)})
    places = ["conv_in", *(f"blocks.{number}" for number in range(len(hints) - 2)), "conv_out"]
    others = {f"{_HINT}{index}": f"{_HINT}{place}" for index, place in zip(hints, places, strict=False)}
    others["pos_embed_input"] = "controlnet_x_embedder"

    def renamed(name: str) -> str:
        stem, _, kind = name.rpartition(".")
        return f"{others.get(stem, stem)}.{kind}"

    return flux_to_diffusers({renamed(name): tensor for name, tensor in state.items()})


def _renamed(name: str, tensor: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    stem, _, kind = name.rpartition(".")
    # BFL call the factor of a norm its scale.
    kind = "weight" if kind == "scale" else kind
    first, _, rest = stem.partition(".")
    if stem in _ENDS:
        yield f"{_ENDS[stem]}.{kind}", tensor
    elif first in _EMBEDDERS and rest in _LAYERS:
        yield f"{_EMBEDDERS[first]}.{_LAYERS[rest]}.{kind}", tensor
    elif stem == "final_layer.adaLN_modulation.1":
        shift, scale = tensor.chunk(2)
        yield f"norm_out.linear.{kind}", torch.cat([scale, shift])
    elif first in ("double_blocks", "single_blocks"):
        yield from _in_block(first, rest, kind, name, tensor)
    else:
        yield name, tensor


def _in_block(
    block: str, rest: str, kind: str, name: str, tensor: torch.Tensor
) -> Iterator[tuple[str, torch.Tensor]]:
    number, _, inner = rest.partition(".")
    double = block == "double_blocks"
    table = _DOUBLE if double else _SINGLE
    place = "transformer_blocks" if double else "single_transformer_blocks"
    place = f"{place}.{number}"
    if inner in table:
        yield f"{place}.{table[inner]}.{kind}", tensor
    elif double and inner in _JOINED:
        for one, part in zip(_JOINED[inner], tensor.chunk(3), strict=True):
            yield f"{place}.{one}.{kind}", part
    elif not double and inner == "linear1":
        width = tensor.shape[0] // _SHARES
        parts = tensor.tensor_split([width, 2 * width, 3 * width])
        for one, part in zip((*_JOINED["img_attn.qkv"], "proj_mlp"), parts, strict=True):
            yield f"{place}.{one}.{kind}", part
    else:
        yield name, tensor
