"""Kinds of weight files, kebab-case, as models are listed with them."""

from __future__ import annotations

from typing import Final

PIPELINE: Final = "pipeline"
"""A diffusers folder: everything that a picture takes."""
CHECKPOINT: Final = "checkpoint"
"""A denoiser with its VAE and text encoders, or some of these, in one file."""
UNET: Final = "unet"
TRANSFORMER: Final = "transformer"
VAE: Final = "vae"
TINY_VAE: Final = "tiny-vae"
"""A distilled autoencoder (TAESD): for previews."""
TEXT_ENCODER: Final = "text-encoder"
IMAGE_ENCODER: Final = "image-encoder"
LORA: Final = "lora"
EMBEDDING: Final = "embedding"
CONTROL_NET: Final = "control-net"
CONTROL_NET_UNION: Final = "control-net-union"
"""One net for many roles; files are found as `control-net`, and told apart as they are described."""
T2I_ADAPTER: Final = "t2i-adapter"
IP_ADAPTER: Final = "ip-adapter"
CONTROL_LORA: Final = "control-lora"
"""A LoRA with which FLUX.1 dev reads a control image as FLUX.1 Canny and Depth do."""
REDUX: Final = "redux"
"""FLUX.1 Redux, which makes words of pictures."""
REDUX_WORDS: Final = 729
"""How many of one: SigLIP's patches, 27 times 27."""
UPSCALER: Final = "upscaler"
ESTIMATOR: Final = "estimator"
"""A network that looks at a picture for a preprocessor; a folder as transformers writes it."""
UNKNOWN: Final = "unknown"
"""Also the family of what no rule knows."""

PAINTS: Final = (PIPELINE, CHECKPOINT)
"""Kinds that can be named as a request's model."""
STEERS: Final = (CONTROL_NET, T2I_ADAPTER, IP_ADAPTER, CONTROL_LORA, REDUX)
"""Kinds that can be named as a control's model."""
KINDS: Final = (
    *PAINTS,
    *(UNET, TRANSFORMER, VAE, TINY_VAE, TEXT_ENCODER, IMAGE_ENCODER),
    *(LORA, EMBEDDING, CONTROL_NET, T2I_ADAPTER, IP_ADAPTER, CONTROL_LORA, REDUX),
    *(UPSCALER, ESTIMATOR, UNKNOWN),
)
