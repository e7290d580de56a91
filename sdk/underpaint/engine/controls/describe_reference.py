"""IP-Adapters in one safetensors file, described without torch from the file's header.

Beside NAME.safetensors may lie NAME.underpaint.json with title, license and roles.
The layout is that of the released files (h94/IP-Adapter): `image_proj.*` for the projection and
`ip_adapter.{n}.to_k_ip.weight`, n odd, for the cross-attentions in diffusers' order.
"""

from __future__ import annotations

import re
from pathlib import Path

from underpaint.engine.controls.bases import attention_base
from underpaint.engine.controls.describe import facts_of, given_roles, unusable
from underpaint.hookspecs import ControlTraits
from underpaint.weights import kinds
from underpaint.weights.denoisers import FLUX_CONTEXT, SDXL_CONTEXT
from underpaint.weights.listing import Listing
from underpaint.weights.safetensors import read_safetensors

REFERENCE, STYLE, COMPOSITION = "reference", "style", "composition"
ROLES = (REFERENCE, STYLE, COMPOSITION)
"""The whole picture is taken up; or where the denoiser decides about style, or about composition, alone."""

_KEY = re.compile(r"ip_adapter\.(\d+)\.to_k_ip\.weight")


def describe_reference(path: Path, *, sdxl: bool) -> ControlTraits | None:
    """An IP-Adapter's traits; None for another file, or for another family's: SDXL's text is 2048 wide.

    Raises `ModelUnusable` for kinds that need more than an image encoder.
    """
    listing = read_safetensors(path)
    numbered = sorted((int(found[1]), name) for name in listing.shapes if (found := _KEY.fullmatch(name)))
    if not numbered or listing.first_ending(".to_k_ip.bias"):
        # Those for FLUX.1 have biases.
        return None
    text = listing.size(numbered[0][1], 1)
    if text == FLUX_CONTEXT or (text == SDXL_CONTEXT) is not sdxl:
        return None
    facts = facts_of(path)
    return ControlTraits(
        kind=kinds.IP_ADAPTER,
        base=attention_base([listing.size(name, 0) for _, name in numbered], text),
        encoder=_encoder(path, listing),
        roles=given_roles(path, facts) or ROLES,
        title=str(facts.get("title", path.stem)),
        license=str(facts.get("license", "")),
    )


def _encoder(path: Path, listing: Listing) -> str:
    """The image encoder that the projection reads, by the width of what it reads."""
    shapes = listing.below("image_proj.").shapes
    if (
        any("lora" in name for name in listing.shapes)
        or any(name.startswith("perceiver_resampler.") for name in shapes)
        or {"norm.weight", "proj.0.weight"} <= shapes.keys()
    ):
        raise unusable(
            path, "it reads faces (FaceID), which takes a face recogniser that underpaint does not have"
        )
    if "proj.weight" in shapes:
        return f"projects to {shapes['proj.weight'][1]}"
    for name in ("proj_in.weight", "proj.0.weight"):
        if name in shapes:
            return f"{shapes[name][1]} wide"
    raise unusable(path, "its image projection is of no known kind")
