"""The decoder of a tiny autoencoder without its encoder: what its author's files hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch


class TinyDecoder(torch.nn.Module):
    """diffusers' decoder, called as its `AutoencoderTiny` is."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        from diffusers.models.autoencoders.vae import DecoderTiny

        super().__init__()
        self.decoder = DecoderTiny(
            in_channels=int(config["latent_channels"]),
            out_channels=3,
            num_blocks=tuple(config["num_decoder_blocks"]),
            block_out_channels=tuple(config["block_out_channels"]),
            upsampling_scaling_factor=2,
            act_fn="relu",
            upsample_fn="nearest",
        )

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> TinyDecoder:
        """As diffusers' networks are made."""
        return cls(config)

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The number format that it computes in."""
        return next(self.parameters()).dtype

    def decode(self, latents: torch.Tensor, *, return_dict: bool = False) -> tuple[torch.Tensor]:
        """Latents `(n, c, h, w)` as a picture `(n, 3, 8h, 8w)` in -1.0 … 1.0."""
        assert not return_dict, "it gives the picture alone"
        return (self.decoder(latents),)
