"""Stable Diffusion 1.5 and its kin, from diffusers' components, driven step by step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from underpaint.engine.diffusion.clip import ClipEncoder
from underpaint.engine.diffusion.components import Components
from underpaint.engine.diffusion.text import TextEncoders
from underpaint.engine.diffusion.unet_family import UNetFamily
from underpaint.engine.families.sd15_plugin import recognise, traits_of_file
from underpaint.hookspecs import ModelTraits


class StableDiffusion15(UNetFamily):
    """One model of the family. Its U-Net may pool the text itself (`addition_embed_type` "text")."""

    def _recognise(self, folder: Path, model_index: Mapping[str, Any]) -> ModelTraits | None:
        return recognise(folder, model_index)

    def _recognise_file(self, path: Path, components: Mapping[str, Path]) -> ModelTraits:
        return traits_of_file(path, components)

    def _text_encoders(self, components: Components) -> TextEncoders:
        return TextEncoders([ClipEncoder(components, "text_encoder", "tokenizer")])
