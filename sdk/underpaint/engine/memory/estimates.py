"""What a step computes with, in bytes: estimated from configurations, corrected by what was measured.

The factors are what `Meter` counts for full-size networks on the meta device (tests/unit/engine/memory holds
them to it): with fused attention, activations grow with the picture, and weights are not among them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from underpaint.geometry import Size

log = structlog.get_logger(__name__)

MARGIN = 1.25
"""Times what tensors take: allocators round up, convolutions want workspaces."""
DECODE_WIDTHS, ENCODE_WIDTHS = 6.1, 5.1
"""Values a pixel when a VAE decodes or encodes, in widths of its outermost block."""
UNET_WIDTHS, UNET_WIDTHS_ATTENDING = 16.0, 26.5
"""Values a latent cell and row in a U-Net, in widths of its first block; with attention in that block."""
TRANSFORMER_WIDTHS = 18.0
"""Values a token and row in a transformer, in widths of its stream."""
TEXT_TOKENS = 512
"""Of a prompt, beside the picture's, in a transformer that reads both together."""
TEXT_BYTES = 128 << 20
"""For a text encoder at work."""
KEPT = 1.02
"""Times the largest measured peak: what is reserved once it is known."""


@dataclass(frozen=True)
class Need:
    """What one step computes with."""

    what: str = ""
    """Which network does what, for corrections: "sdxl denoise"; "" for nothing worth measuring."""
    bytes: int = 0


class Estimates:
    """Estimates with their corrections, kept in `path` where there is one. Device thread."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._ratios: dict[str, float] = _read(path) if path is not None else {}
        self._changed = False

    def bytes(self, need: Need) -> int:
        """What to keep free for a step."""
        return int(need.bytes * self._ratios.get(need.what, MARGIN))

    def learn(self, need: Need, measured: int) -> None:
        """A step has taken so many bytes beside the weights."""
        if not need.what or need.bytes <= 0 or measured <= 0:
            return
        ratio = measured * KEPT / need.bytes
        if ratio > self._ratios.get(need.what, 0.0):
            log.info("memory of a step measured", step=need.what, bytes=measured, estimated=need.bytes)
            self._ratios[need.what] = ratio
            self._changed = True

    def save(self) -> None:
        """Writes what was learned since the last time. Losing it costs a few cautious first steps."""
        if self._path is None or not self._changed:
            return
        self._changed = False
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            new = self._path.with_suffix(".new")
            new.write_text(json.dumps(self._ratios, indent=1), "utf-8")
            new.replace(self._path)
        except OSError as error:
            log.warning("measured memory cannot be kept", path=str(self._path), problem=str(error))


def denoiser_bytes(
    config: Mapping[str, Any],
    size: Size,
    factor: int,
    rows: int,
    width_bytes: int,
    *,
    words: int = TEXT_TOKENS,
    pictures: int = 1,
) -> int:
    """For one forward pass of a U-Net or transformer over `rows` pictures of `size`, in pixels.

    A transformer reads `words` tokens of text and `pictures` of that size in each row.
    """
    cells = (size.width // factor) * (size.height // factor)
    if "block_out_channels" in config:
        attends = str(config.get("down_block_types", ["Down"])[0]).startswith("CrossAttn")
        widths = UNET_WIDTHS_ATTENDING if attends else UNET_WIDTHS
        return int(rows * cells * config["block_out_channels"][0] * widths * width_bytes)
    inner = int(config.get("num_attention_heads", 24)) * int(config.get("attention_head_dim", 128))
    # Two by two cells make a token.
    return int(rows * (pictures * cells // 4 + words) * inner * TRANSFORMER_WIDTHS * width_bytes)


def bias_bytes(tokens: int, rows: int, width_bytes: int) -> int:
    """For what a transformer is told of which token reads which: made in float32, read in its own format."""
    return rows * tokens**2 * (4 + width_bytes)


def vae_bytes(config: Mapping[str, Any], size: Size, rows: int, width_bytes: int, *, encoding: bool) -> int:
    """For a VAE to decode or encode `rows` pictures, or tiles, of `size` in pixels at once."""
    key = "encoder_block_out_channels" if encoding else "decoder_block_out_channels"
    outermost = min(config.get(key) or config.get("block_out_channels") or (128,))
    widths = ENCODE_WIDTHS if encoding else DECODE_WIDTHS
    return int(rows * size.width * size.height * outermost * widths * width_bytes)


def _read(path: Path) -> dict[str, float]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        # None yet, or one that a crash cut off: it is learned anew.
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(what): float(ratio) for what, ratio in found.items() if isinstance(ratio, int | float)}
