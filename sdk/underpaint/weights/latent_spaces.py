"""Whose latents a VAE reads and writes: what fits together beyond the number of channels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

SD15: Final = "sd15"
SDXL: Final = "sdxl"
FLUX: Final = "flux"

_SCALES: Final = ((4, 0.18215, 0.0, SD15), (4, 0.13025, 0.0, SDXL), (16, 0.3611, 0.1159, FLUX))
"""Channels, scaling factor and shift of the VAE that a family was trained with."""


def latent_space(vae: Mapping[str, Any]) -> str:
    """The space of a model by its VAE's configuration; "" for one that is none of these families'.

    A VAE that normalises its latents channel by channel has a space of its own, and so has a tiny one.
    """
    if vae.get("_class_name") != "AutoencoderKL" or vae.get("latents_mean") is not None:
        return ""
    # The first models of SD 1.5 were saved before diffusers wrote its scale down.
    scale = vae.get("scaling_factor") or 0.18215
    key = (vae.get("latent_channels", 4), scale, vae.get("shift_factor") or 0.0)
    return next((space for *known, space in _SCALES if (*known,) == key), "")


def tiny_space(name: str, channels: object) -> str:
    """The space of a tiny autoencoder by its name, "owner/taesdxl" for one; "" where that cannot be told.

    Neither its weights nor its configuration tell: those for SD 1.5 and SDXL differ in nothing but values.
    Names are those of github.com/madebyollin/taesd; `channels` must be what such latents have.
    """
    words = re.sub(r"[^a-z0-9]", "", name.rpartition("/")[2].lower())
    if "taef1" in words:
        return FLUX if channels == 16 else ""
    if "taesd" not in words or "sd3" in words or channels != 4:
        return ""
    return SDXL if "xl" in words else SD15
