"""CLIP's half for pictures: what it makes of a reference image. For the device's one thread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from underpaint.engine.controls.encoder_files import encoder_config, load_encoder
from underpaint.engine.controls.shelved import Shelved
from underpaint.engine.diffusion.components import weight_variant
from underpaint.weights.image_encoders import COMPONENT

Pixels = NDArray[np.uint8]


class ImageEncoders(Shelved):
    """The image encoders that one model's references use: each with what prepares pixels for it."""

    part = COMPONENT

    def encode(self, folder: Path, rgb: Pixels, *, hidden: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """A picture `(height, width, 3)`, and the absence of one.

        `(1, width)` each, the projected picture and zeros; with `hidden` `(1, patches, width)`, the states
        before the last layer of the picture and of a black one (in CLIP's normalised pixels), as the stock
        pipelines do for adapters of the "plus" kind.
        """
        encoder, processor = self.load(folder)
        pixels = processor(rgb, return_tensors="pt").pixel_values.to(self._device, self._dtype)
        if not hidden:
            seen = encoder(pixels).image_embeds
            return seen, torch.zeros_like(seen)
        states = [
            encoder(one, output_hidden_states=True).hidden_states[-2]
            for one in (pixels, torch.zeros_like(pixels))
        ]
        return states[0], states[1]

    def _from_disk(self, place: Path) -> tuple[Any, Any]:
        from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

        kind: Any = CLIPVisionModelWithProjection
        if place.is_file():
            ready = load_encoder(kind, place, encoder_config(place), self._dtype)
        else:
            encoder = kind.from_pretrained(
                place, use_safetensors=True, local_files_only=True, variant=weight_variant(place)
            )
            ready = encoder.to(self._dtype).eval().requires_grad_(False)
        size = ready.config.image_size
        # Shorter edge to the encoder's size, then the middle: what the adapters were trained with.
        return ready, CLIPImageProcessor(size=size, crop_size=size)
