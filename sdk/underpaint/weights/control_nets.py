"""What a control net in one file is like, from its header: the configuration that diffusers keeps beside it.

Shapes tell all of it but how attention is cut into heads and norms into groups; these are as in the released
families. Names are the authors' (`control_model.input_blocks…`) or diffusers' (`down_blocks…`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, takewhile
from typing import Any, Final

from underpaint.weights.denoisers import SD15_CONTEXT, SDXL_CONTEXT
from underpaint.weights.listing import Listing
from underpaint.weights.places import prefix_of

COMPONENT: Final = "control_net"
"""How these nets are called where a file's parts are (see `underpaint.weights.places`)."""
NET: Final = "ControlNetModel"
UNION: Final = "ControlNetUnionModel"
UNTOLD: Final = (
    *("attention_head_dim", "norm_num_groups", "addition_time_embed_dim", "num_trans_head"),
    *("global_pool_conditions", "controlnet_conditioning_channel_order"),
)
"""Keys of a configuration that no shape tells."""
_HEADS, _HEAD_WIDTH = 8, 64
"""Heads in Stable Diffusion 1.5, whatever their width; width of a head in what came after."""
_TIME_WIDTH = 256


@dataclass(frozen=True, slots=True)
class _Level:
    """Blocks of one resolution: their width, how many, and the attention of the first, if they have any."""

    width: int
    layers: int
    attention: str


def control_net_config(listing: Listing) -> dict[str, Any] | None:
    """Of `ControlNetModel` or `ControlNetUnionModel` by `_class_name`; None for a net of another kind."""
    net = listing.below(prefix_of(COMPONENT, listing.shapes))
    original = "input_hint_block.0.weight" in net.shapes
    levels = list(_original_levels(net) if original else _levels(net))
    hints = list(_hints(net, original))
    if not levels or not all(level.width for level in levels) or len(hints) < 2:
        return None
    middle = "middle_block.1" if original else "mid_block.attentions.0"
    places = [level.attention for level in levels]
    added = net.size("label_emb.0.0.weight" if original else "add_embedding.linear_1.weight", 1)
    text = _text(net, (*places, middle)) or (SDXL_CONTEXT if added else SD15_CONTEXT)
    widths = [level.width for level in levels]
    attends = [f"{place}.proj_in.weight" in net.shapes for place in (*places, middle)]
    linear = any(len(net.shape(f"{place}.proj_in.weight")) == 2 for place in (*places, middle))
    depths = [_depth(net, place) if there else 1 for place, there in zip(places, attends, strict=False)]
    if attends[-1] and not attends[-2]:
        # The middle is as deep as the last level is said to be.
        depths[-1] = _depth(net, middle)
    config: dict[str, Any] = {
        "_class_name": NET,
        "in_channels": net.size("input_blocks.0.0.weight" if original else "conv_in.weight", 1),
        "conditioning_channels": hints[0][1],
        "conditioning_embedding_out_channels": [hints[0][0], *(out for out, _ in hints[2:-1:2])],
        "block_out_channels": widths,
        "layers_per_block": levels[0].layers,
        "down_block_types": [f"{'CrossAttn' * there}DownBlock2D" for there in attends[:-1]],
        "transformer_layers_per_block": depths,
        "cross_attention_dim": text,
        "attention_head_dim": _HEADS
        if text == SD15_CONTEXT
        else [max(1, width // _HEAD_WIDTH) for width in widths],
        "use_linear_projection": linear,
    }
    if added:
        config["addition_embed_type"] = "text_time"
        config["addition_time_embed_dim"] = _TIME_WIDTH
        config["projection_class_embeddings_input_dim"] = added
    if "task_embedding" in net.shapes:
        return {**config, **_union(net)}
    return {**config, "mid_block_type": "UNetMidBlock2DCrossAttn" if attends[-1] else "UNetMidBlock2D"}


def _union(net: Listing) -> dict[str, Any]:
    """What a union net has besides: a vector for each mode, and layers in which these meet the picture."""
    modes, width = net.size("task_embedding", 0), net.size("task_embedding", 1)
    layers = _while_there(net, "transformer_layes.{}.attn.in_proj_weight")
    return {
        "_class_name": UNION,
        "num_control_type": modes,
        "num_trans_channel": width,
        "num_trans_layer": len(layers),
        "num_proj_channel": net.size("spatial_ch_projs.weight", 0),
        "addition_time_embed_dim": net.size("control_add_embedding.linear_1.weight", 1) // max(1, modes),
    }


def _levels(net: Listing) -> Iterator[_Level]:
    for number in _while_there(net, "down_blocks.{}.resnets.0.conv1.weight"):
        block = f"down_blocks.{number}"
        layers = _while_there(net, f"{block}.resnets.{{}}.conv1.weight")
        yield _Level(net.size(f"{block}.resnets.0.conv1.weight", 0), len(layers), f"{block}.attentions.0")


def _original_levels(net: Listing) -> Iterator[_Level]:
    blocks = takewhile(lambda number: net.any_starts(f"input_blocks.{number}."), count(1))
    level: list[int] = []
    for number in blocks:
        if f"input_blocks.{number}.0.op.weight" in net.shapes:
            yield _original_level(net, level)
            level = []
        else:
            level.append(number)
    if level:
        yield _original_level(net, level)


def _original_level(net: Listing, blocks: list[int]) -> _Level:
    first = f"input_blocks.{blocks[0] if blocks else 0}"
    return _Level(net.size(f"{first}.0.in_layers.2.weight", 0), len(blocks), f"{first}.1")


def _hints(net: Listing, original: bool) -> Iterator[tuple[int, int]]:
    """Channels out of and into each convolution that the control image goes through, in order."""
    if original:
        names = [f"input_hint_block.{index}.weight" for index in range(0, 64, 2)]
    else:
        inner = _while_there(net, "controlnet_cond_embedding.blocks.{}.weight")
        places = ("conv_in", *(f"blocks.{number}" for number in inner), "conv_out")
        names = [f"controlnet_cond_embedding.{place}.weight" for place in places]
    for name in names:
        if name in net.shapes:
            yield net.size(name, 0), net.size(name, 1)


def _depth(net: Listing, attention: str) -> int:
    return len(_while_there(net, f"{attention}.transformer_blocks.{{}}.attn2.to_k.weight"))


def _text(net: Listing, attentions: tuple[str, ...]) -> int:
    """Width of the text that the first attention reads; 0 where there is none."""
    names = (f"{place}.transformer_blocks.0.attn2.to_k.weight" for place in attentions)
    return next((net.size(name, 1) for name in names if name in net.shapes), 0)


def _while_there(net: Listing, pattern: str) -> list[int]:
    return list(takewhile(lambda number: pattern.format(number) in net.shapes, count()))
