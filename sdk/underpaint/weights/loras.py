"""What a LoRA's header says: which denoiser it was made for, and what its maker wrote beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from underpaint.weights.adapters import lora_context
from underpaint.weights.listing import Listing
from underpaint.weights.safetensors import read_safetensors

FLUX_WIDTH = 3072
"""Of FLUX.1's tokens between its blocks."""
_FLUX = re.compile(r"double_blocks|single_blocks|single_transformer_blocks|^transformer\.transformer_blocks")
# On the input's side of a layer that reads tokens of the whole width.
_DOWN = (".lora_down.weight", ".lora_A.weight", ".down.weight")
_READS_TOKENS = re.compile(r"qkv|to_q|linear1|add_q_proj|proj_mlp")


@dataclass(frozen=True, slots=True)
class LoraHeader:
    """A LoRA, looked at."""

    base: str = ""
    """What it changes, in the words of `unet_base` and `flux_base`; "" where no layer tells."""
    title: str = ""
    trigger: str = ""
    """Words that its maker says to put into the prompt."""
    license: str = ""


def unet_base(text_width: int) -> str:
    """What a LoRA for a U-Net must agree with: the width of the text that it reads."""
    return f"a U-Net that reads text of width {text_width}"


def flux_base(width: int) -> str:
    """What a LoRA for a FLUX transformer must agree with: the width of its tokens."""
    return f"a FLUX transformer of width {width}"


def read_lora_header(path: Path) -> LoraHeader:
    """A LoRA's header. Raises `OSError` or `ModelUnusable`."""
    listing = read_safetensors(path)
    said = listing.metadata
    return LoraHeader(
        base=_base(listing),
        title=said.get("modelspec.title") or said.get("ss_output_name") or "",
        trigger=said.get("modelspec.trigger_phrase", ""),
        license=said.get("modelspec.license", ""),
    )


def _base(listing: Listing) -> str:
    if any(_FLUX.search(name) for name in listing.shapes):
        width = next(
            (
                listing.size(name, 1)
                for name in listing.shapes
                if name.endswith(_DOWN) and _READS_TOKENS.search(name) and _FLUX.search(name)
            ),
            0,
        )
        return flux_base(width) if width else ""
    width = lora_context(listing)
    return unet_base(width) if width else ""
