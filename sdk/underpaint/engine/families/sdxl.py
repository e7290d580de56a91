"""Stable Diffusion XL, base and refiner, from diffusers' components, driven step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from underpaint.engine.diffusion.clip import ClipEncoder
from underpaint.engine.diffusion.components import Components
from underpaint.engine.diffusion.job import DiffusionTask
from underpaint.engine.diffusion.text import TextEncoders
from underpaint.engine.diffusion.unet_family import UNetFamily
from underpaint.engine.families.sdxl_plugin import is_refiner, recognise
from underpaint.engine.families.sdxl_sizes import time_ids
from underpaint.hookspecs import ModelTraits


class StableDiffusionXL(UNetFamily):
    """One model of the family. A refiner has the second text encoder only, and rates pictures."""

    def _recognise(self, folder: Path, model_index: Mapping[str, Any]) -> ModelTraits | None:
        return recognise(folder, model_index)

    def _text_encoders(self, components: Components) -> TextEncoders:
        encoders = [
            ClipEncoder(components, "text_encoder_2", "tokenizer_2", projected=True, penultimate=True)
        ]
        if not is_refiner(self._index):
            encoders.insert(0, ClipEncoder(components, "text_encoder", "tokenizer", penultimate=True))
        # Stock's default where the folder does not say.
        zeros = bool(self._index.get("force_zeros_for_empty_prompt", True))
        return TextEncoders(encoders, zero_negative=zeros)

    def _conditions(self, jobs: Sequence[DiffusionTask]) -> Mapping[str, torch.Tensor]:
        rated = bool(self._index.get("requires_aesthetics_score", False))
        texts, ids = [job.text for job in jobs], [time_ids(job.current.size, rated=rated) for job in jobs]
        if jobs[0].guided:
            texts = [job.negative for job in jobs] + texts
            ids = [time_ids(job.current.size, rated=rated, negative=True) for job in jobs] + ids
        pooled = [text.pooled for text in texts if text is not None and text.pooled is not None]
        return {
            "text_embeds": torch.cat(pooled),
            "time_ids": torch.tensor(ids, dtype=torch.float32, device=self._parts.device),
        }
