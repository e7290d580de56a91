"""What the decoder of a tiny autoencoder (TAESD) in one file is like, from its header.

Names are diffusers' (`decoder.layers.0.weight`) or its author's, whose files hold the decoder alone and count
the clamp before it as a layer (`1.weight`).
"""

from __future__ import annotations

from typing import Any

from underpaint.weights.listing import Listing

_DIFFUSERS = "decoder.layers."


def tiny_decoder_config(listing: Listing) -> dict[str, Any] | None:
    """How the decoder of diffusers' `AutoencoderTiny` is built; None for what has none."""
    whole = f"{_DIFFUSERS}0.weight" in listing.shapes
    prefix, first = (_DIFFUSERS, 0) if whole else ("", 1)
    into = listing.shape(f"{prefix}{first}.weight")
    if len(into) != 4 or f"{prefix}{first + 2}.conv.0.weight" not in listing.shapes:
        return None
    inside = (name.removeprefix(prefix) for name in listing.shapes if name.startswith(prefix))
    layers = sorted({int(number) for name in inside if (number := name.partition(".")[0]).isdigit()})
    blocks, widths, count = [], [], 0
    for layer in layers[1:]:
        # Blocks of one size, then the convolution after them.
        if f"{prefix}{layer}.conv.0.weight" in listing.shapes:
            count += 1
        else:
            blocks.append(count)
            widths.append(listing.size(f"{prefix}{layer}.weight", 1))
            count = 0
    return {
        "_class_name": "AutoencoderTiny",
        "latent_channels": into[1],
        "num_decoder_blocks": blocks,
        "block_out_channels": widths,
        "scaling_factor": 1.0,
        "shift_factor": 0.0,
    }
