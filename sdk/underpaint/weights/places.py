"""Where in a weight file a component lies: how its tensors' names start, and whose names they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

PREFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "unet": ("model.diffusion_model.",),
    "transformer": ("model.diffusion_model.",),
    "vae": ("first_stage_model.", "vae."),
    "text_encoder": (
        "cond_stage_model.transformer.",
        "conditioner.embedders.0.transformer.",
        "text_encoders.clip_l.transformer.",
        "text_encoders.clip_l.",
    ),
    "text_encoder_2": (
        "conditioner.embedders.1.model.",
        # SDXL's refiner has this encoder only.
        "conditioner.embedders.0.model.",
        "text_encoders.t5xxl.transformer.",
        "text_encoders.t5xxl.",
    ),
    # Control nets' authors name them so, alone in their file.
    "control_net": ("control_model.",),
    "t2i_adapter": ("adapter.",),
}
"""By component, as checkpoints of several parts name them. A file of one part may have none of these."""


def prefix_of(component: str, names: Iterable[str]) -> str:
    """What stands before a component's names; "" where the whole file is that component."""
    found = tuple(names)
    known = PREFIXES.get(component, ())
    return next((prefix for prefix in known if any(name.startswith(prefix) for name in found)), "")
