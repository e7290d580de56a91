"""What adapters must agree with to fit a U-Net, in words, from its configuration alone.

The same words are made from an adapter's own file or configuration; equal words fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from underpaint.weights import kinds

_DOWN = ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D")
_UP = ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D")
_WIDTHS = (320, 640, 1280, 1280)


def adapter_bases(unet: Mapping[str, Any], factor: int) -> Mapping[str, str]:
    """By kind, what adapters for this U-Net must be like; `factor` is how many pixels a latent cell spans."""
    return {
        kinds.IP_ADAPTER: attention_base(
            cross_attention_widths(unet), int(unet.get("cross_attention_dim", 1280))
        ),
        kinds.T2I_ADAPTER: feature_base(block_features(unet, factor)),
    }


def attention_base(widths: Iterable[int], text: int) -> str:
    """Of an IP-Adapter: it brings keys and values for each cross-attention, in the order of diffusers."""
    runs = " ".join(f"{len(list(run))}x{width}" for width, run in groupby(widths))
    return f"cross-attentions {runs}, text {text}"


def feature_base(features: Iterable[tuple[int, int]]) -> str:
    """Of a T2I adapter: `(channels, pixels that a cell spans)` of each feature, once where two are alike."""
    return "features " + " ".join(f"{channels}@{span}" for (channels, span), _ in groupby(features))


def cross_attention_widths(unet: Mapping[str, Any]) -> list[int]:
    """Width of each cross-attention: those on the way down, on the way up, then in the middle."""
    widths = list(unet.get("block_out_channels") or _WIDTHS)
    layers = _each(unet.get("layers_per_block", 2), len(widths))
    depths = _each(unet.get("transformer_layers_per_block", 1), len(widths))
    down: list[int] = []
    for kind, width, count, depth in zip(
        unet.get("down_block_types") or _DOWN, widths, layers, depths, strict=True
    ):
        down += [width] * (count * depth if "CrossAttn" in kind else 0)
    up: list[int] = []
    for kind, width, count, depth in zip(
        unet.get("up_block_types") or _UP, widths[::-1], layers[::-1], depths[::-1], strict=True
    ):
        up += [width] * ((count + 1) * depth if "CrossAttn" in kind else 0)
    return [*down, *up, *[widths[-1]] * depths[-1]]


def block_features(unet: Mapping[str, Any], factor: int) -> list[tuple[int, int]]:
    """Channels and span in pixels of what a T2I adapter adds to: each block on the way down, the middle."""
    widths = list(unet.get("block_out_channels") or _WIDTHS)
    features = []
    for index, (kind, width) in enumerate(zip(unet.get("down_block_types") or _DOWN, widths, strict=True)):
        below = factor * (2 if index + 1 < len(widths) else 1)
        # A block with attention takes its feature before it halves the picture, one without after.
        features.append((width, factor if "CrossAttn" in kind else below))
        factor = below
    return [*features, (widths[-1], factor)]


def _each(value: int | Sequence[int], count: int) -> list[int]:
    return [value] * count if isinstance(value, int) else list(value)
