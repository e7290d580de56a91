"""LoRAs with which FLUX.1 dev reads a control image as Canny and Depth do, described without torch.

Beside NAME.safetensors may lie NAME.underpaint.json with title, license and roles; else the file's name, or
that of its folder, tells the role.
"""

from __future__ import annotations

from pathlib import Path

from underpaint.engine.controls.describe import facts_of, given_roles, named_roles, unusable
from underpaint.hookspecs import ControlTraits
from underpaint.weights import kinds
from underpaint.weights.loras import read_lora_header


def describe_control_lora(path: Path) -> ControlTraits:
    """Its traits, for a file that has been recognised. Raises `ModelUnusable`."""
    header, facts = read_lora_header(path), facts_of(path)
    if not header.base:
        raise unusable(path, "no layer of it tells the width of its transformer. Download it again")
    named = named_roles(path.stem) or named_roles(path.parent.name)
    return ControlTraits(
        kind=kinds.CONTROL_LORA,
        base=header.base,
        roles=given_roles(path, facts) if "roles" in facts else named,
        title=str(facts.get("title") or header.title or path.stem),
        license=str(facts.get("license") or header.license),
    )
