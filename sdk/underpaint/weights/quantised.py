"""Weights that mean something only together with scales which nothing here applies: named, never guessed at.

A file read without its scales loads without complaint and paints white or noise.
"""

from __future__ import annotations

from underpaint.weights.gguf import UNPACKED
from underpaint.weights.listing import Listing

_SCHEMES = {
    "scaled_fp8": "scaled fp8",
    "scale_weight": "scaled fp8",
    "scale_input": "scaled fp8",
    "weight_scale": "scaled weights",
    "weight_scale_2": "nvfp4",
    "weight_scale_inv": "scaled fp8",
    "input_scale": "scaled weights",
    "comfy_quant": "ComfyUI's mixed precision",
    "absmax": "bitsandbytes",
    "nested_absmax": "bitsandbytes",
    "quant_map": "bitsandbytes",
    "nested_quant_map": "bitsandbytes",
    "SCB": "bitsandbytes int8",
    "weight_format": "bitsandbytes int8",
    "bitsandbytes__nf4": "bitsandbytes nf4",
    "bitsandbytes__fp4": "bitsandbytes fp4",
    "qweight": "nunchaku, GPTQ or AWQ",
    "qzeros": "GPTQ or AWQ",
    "g_idx": "GPTQ",
    "wscales": "nunchaku (svdq)",
    "wcscales": "nunchaku (svdq)",
    "wtscale": "nunchaku (svdq)",
    "wzeros": "nunchaku (svdq)",
    "smooth_orig": "nunchaku (svdq)",
    "_data": "quanto",
    "_scale": "quanto",
    "_shift": "quanto",
}
# Last words of names that hold "scale" and are no quantisation: norms, CLIP's temperature, DoRA, modulation.
_INNOCENT = {"scale", "logit_scale", "dora_scale", "scale_shift_table", "layer_scale", "ip_scale"}
_SUSPECT = ("scale", "absmax", "quant", "zero_point")
_PACKED = {"U8", "I8", "U16", "U32", "F4", "F6_E2M3", "F6_E3M2", "F8_E8M0"}


def quantisation(listing: Listing) -> str:
    """Names the quantisation that a file needs, with the tensor that shows it; "" for plain weights.

    GGUF's own kinds are described by the format: only one that nothing here unpacks is named.
    """
    if listing.format == "gguf":
        strange = ((name, dtype) for name, dtype in listing.dtypes.items() if dtype not in UNPACKED)
        return next((f"GGUF's {dtype}, by its tensor {name!r}" for name, dtype in strange), "")
    lasts: dict[str, str] = {}
    for name in listing.shapes:
        lasts.setdefault(name.rpartition(".")[2], name)
    for last, name in lasts.items():
        if last in _SCHEMES:
            return f"{_SCHEMES[last]}, by its tensor {name!r}"
        if last not in _INNOCENT and any(part in last for part in _SUSPECT):
            return f"a kind that is unknown here, by its tensor {name!r}"
    for name, dtype in listing.dtypes.items():
        if dtype in _PACKED and len(listing.shape(name)) > 1:
            return f"packed {dtype} weights, by its tensor {name!r}"
    return ""
