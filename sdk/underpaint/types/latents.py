"""The VAE and noise as tools."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from underpaint.types.pixels import Alpha, Channels, ColorSpace, DataType, Image, PixelFormat

LATENTS_FORMAT = PixelFormat(Channels.GRAY, DataType.F32, Alpha.NONE, ColorSpace.DATA)
"""How latents lie in memory: their channels one below the other, each as wide and high as the latents."""


class LatentsAction(enum.Enum):
    """What is done to latents."""

    ENCODE = "encode"
    """A picture becomes latents."""
    DECODE = "decode"
    """Latents become a picture."""
    NOISE = "noise"
    """Latents get the noise that they have before a step."""
    DENOISE = "denoise"
    """Noised latents go the rest of the way, guided by the prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentsRequest:
    """One of these tools. Encoding, noising to a step and denoising from it with one seed is image to image.

    The first result is what was asked for; latents have `LATENTS_FORMAT`, scaled as the model's denoiser sees
    them. None and "" mean: the model's default.
    """

    action: LatentsAction
    image: Image
    """The picture to encode, both sides in multiples of `ModelInfo.size_multiple`; latents else."""
    model: str = ""
    """One that can do img2img."""
    step: int = 0
    """NOISE and DENOISE: the step before which the latents stand, 0 (the most noise) to below `steps`."""
    steps: int | None = None
    """1 to 1000."""
    seed: int | None = None
    """0 to 2**64 - 1; the same for NOISE and DENOISE. None: the daemon draws one."""
    scheduler: str = ""
    prompt: str = ""
    negative_prompt: str = ""
    guidance_scale: float | None = None
    """0.0 to 100.0; up to 1.0 means no classifier-free guidance."""
    step_pictures: bool = False
    """NOISE and DENOISE: pictures of the latents follow as further results.

    Denoising, as they are before each step and in the end; noising the other way about."""
