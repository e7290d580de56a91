"""IP-Adapters for FLUX.1 in one safetensors file, described without torch from the file's header.

The layouts are those that diffusers reads: XLabs' (`double_blocks.{n}.processor.ip_adapter_double_stream_*`,
`ip_adapter_proj_model.*`), and the same under the names of other IP-Adapters (`ip_adapter.{n}.to_k_ip.*`,
`image_proj.*`). Beside NAME.safetensors may lie NAME.underpaint.json with title, license and roles.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from underpaint.engine.controls.describe import facts_of, given_roles, unusable
from underpaint.engine.controls.describe_reference import REFERENCE
from underpaint.hookspecs import ControlTraits
from underpaint.weights import kinds
from underpaint.weights.denoisers import FLUX_CONTEXT
from underpaint.weights.safetensors import read_safetensors

PROJECTIONS = ("ip_adapter_proj_model.", "image_proj.")
"""What may stand before the names of the projection's tensors."""
_BLOCK = re.compile(
    r"(?:double_blocks|ip_adapter)\.(?P<block>\d+)\.(?:processor\.)?"
    r"(?:ip_adapter_double_stream_(?P<long>[kv])_proj|to_(?P<short>[kv])_ip)\.(?P<what>weight|bias)"
)


def describe_flux_reference(path: Path) -> ControlTraits | None:
    """Such an adapter's traits, None for another file. Raises `ModelUnusable` for kinds that are not run."""
    shapes = read_safetensors(path).shapes
    found = {place: shape for name, shape in shapes.items() if (place := place_of(name))}
    blocks = sorted({block for block, _ in found})
    keys = [shape for (_, name), shape in found.items() if name == "to_k_ip.0.weight"]
    biased = any(name.endswith("bias") for _, name in found)
    if not keys or not (biased or keys[0][1] == FLUX_CONTEXT):
        # Without biases: one for Stable Diffusion.
        return None
    projection = {part: shape for name, shape in shapes.items() if (part := projected(name))}
    if not biased or "proj.weight" not in projection or "norm.weight" not in projection:
        raise unusable(
            path,
            "it is not made as XLabs' is: the adapters of InstantX look through another encoder, and count "
            "in single blocks too. Get XLabs-AI/flux-ip-adapter or flux-ip-adapter-v2",
        )
    names = [f"to_{which}_ip.0.{what}" for which in "kv" for what in ("weight", "bias")]
    if blocks != list(range(len(blocks))) or any(
        (block, name) not in found for block in blocks for name in names
    ):
        raise unusable(path, "some of its blocks are missing. Download it again")
    width, text = found[0, "to_k_ip.0.weight"]
    facts = facts_of(path)
    return ControlTraits(
        kind=kinds.IP_ADAPTER,
        base=_base(len(blocks), width, text),
        encoder=f"projects to {projection['proj.weight'][1]}",
        roles=given_roles(path, facts) or (REFERENCE,),
        title=str(facts.get("title", path.stem)),
        license=str(facts.get("license", "")),
    )


def reference_base(transformer: Mapping[str, Any]) -> str:
    """What an IP-Adapter for a transformer must be like, from its configuration."""
    width = int(transformer.get("num_attention_heads", 24)) * int(transformer.get("attention_head_dim", 128))
    return _base(
        int(transformer.get("num_layers", 19)), width, int(transformer.get("joint_attention_dim", 4096))
    )


def place_of(name: str) -> tuple[int, str] | None:
    """The double block that a tensor belongs to and diffusers' name for it there; None: to none."""
    found = _BLOCK.fullmatch(name)
    if found is None:
        return None
    return int(found["block"]), f"to_{found['long'] or found['short']}_ip.0.{found['what']}"


def projected(name: str) -> str:
    """The name of a tensor inside the image projection; "" for others."""
    return next((name.removeprefix(start) for start in PROJECTIONS if name.startswith(start)), "")


def _base(blocks: int, width: int, text: int) -> str:
    return f"{blocks} double blocks {width} wide, text {text}"
