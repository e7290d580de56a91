"""Stable Diffusion XL, base and refiner, from diffusers' components, driven step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from underpaint.engine.diffusion.clip import ClipEncoder
from underpaint.engine.diffusion.components import Components
from underpaint.engine.diffusion.denoise import readings
from underpaint.engine.diffusion.job import DiffusionTask
from underpaint.engine.diffusion.text import TextEncoders
from underpaint.engine.diffusion.unet_family import UNetFamily
from underpaint.engine.diffusion.unet_parts import UNetParts
from underpaint.engine.families.folder import read_object
from underpaint.engine.families.sdxl_plugin import is_refiner, recognise, traits_of_file
from underpaint.engine.families.sdxl_refiner import REFINER, refiner_from
from underpaint.engine.families.sdxl_sizes import time_ids
from underpaint.engine.residency import Shelf
from underpaint.hookspecs import ModelTraits
from underpaint.worker_v1 import worker_service_pb2


class StableDiffusionXL(UNetFamily):
    """One model of the family, alone or with a refiner that does its last steps.

    A refiner has the second text encoder only, and rates pictures.
    """

    def __init__(self, source: worker_service_pb2.ModelSource, shelf: Shelf, device: str, dtype: str) -> None:
        super().__init__(source, shelf, device, dtype)
        given = {name: Path(path) for name, path in source.components.items()}
        folders = {**self._traits.components, **given}
        named = [name for name in folders if name.startswith(REFINER)]
        second = {name.removeprefix(REFINER): folders[name] for name in named}
        self._second: UNetParts | None = None
        self._share = 1.0
        if second:
            home = second["unet"].parent
            self._second_index = read_object(home, home / "model_index.json")
            components = Components({**folders, **second}, self.name, shelf, device, dtype)
            components.pace = self._parts.components.pace
            self._second = UNetParts(components, _encoders(components, self._second_index))
            self._share = refiner_from(Path(source.path))

    def _recognise(self, folder: Path, model_index: Mapping[str, Any]) -> ModelTraits | None:
        return recognise(folder, model_index)

    def _recognise_file(self, path: Path, components: Mapping[str, Path]) -> ModelTraits:
        return traits_of_file(path, components)

    def _text_encoders(self, components: Components) -> TextEncoders:
        return _encoders(components, self._index)

    def _conditions(self, jobs: Sequence[DiffusionTask]) -> Mapping[str, torch.Tensor]:
        index = self._second_index if jobs[0].current.refined else self._index
        rated = bool(index.get("requires_aesthetics_score", False))
        ids = [time_ids(job.current.size, rated=rated) for job in jobs]
        if jobs[0].guided:
            ids = [time_ids(job.current.size, rated=rated, negative=True) for job in jobs] + ids
        return {
            "text_embeds": torch.cat([text.pooled for text in readings(jobs) if text.pooled is not None]),
            "time_ids": torch.tensor(ids, dtype=torch.float32, device=self._parts.device),
        }

    @property
    def _refiner(self) -> UNetParts | None:
        return self._second

    @property
    def _refiner_from(self) -> float:
        return self._share


def _encoders(components: Components, index: Mapping[str, Any]) -> TextEncoders:
    encoders = [ClipEncoder(components, "text_encoder_2", "tokenizer_2", projected=True, penultimate=True)]
    if not is_refiner(index):
        encoders.insert(0, ClipEncoder(components, "text_encoder", "tokenizer", penultimate=True))
    # Stock's default where the folder does not say.
    zeros = bool(index.get("force_zeros_for_empty_prompt", True))
    return TextEncoders(encoders, zero_negative=zeros)
