"""FLUX.1 Redux's networks: what SigLIP says of a picture, as words. For the device's one thread."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch

from underpaint.engine.controls.encoder_files import encoder_config, load_encoder
from underpaint.engine.controls.nets import network, network_of_file
from underpaint.engine.controls.plan import PlannedControl, Reference
from underpaint.engine.controls.shelved import Shelved
from underpaint.engine.diffusion.components import weight_variant
from underpaint.engine.flux.describe_redux import EMBEDDER, PIXELS, redux_config
from underpaint.engine.residency import Shelf
from underpaint.weights.image_encoders import COMPONENT

REMEMBERED = 16
"""Pictures whose words are kept for the next job with the same picture."""
_PREPARED = "preprocessor_config.json"


class _Encoders(Shelved):
    """Vision encoders by folder or file: each with what prepares pixels for it."""

    part = COMPONENT

    def _from_disk(self, place: Path) -> tuple[Any, Any]:
        from transformers import SiglipImageProcessor, SiglipVisionModel

        kind: Any = SiglipVisionModel
        if place.is_file():
            encoder = load_encoder(kind, place, encoder_config(place), self._dtype)
            edge = encoder.config.image_size
            return encoder, SiglipImageProcessor(size={"height": edge, "width": edge})
        pixels = next(
            (folder for folder in (place.parent / PIXELS, place) if (folder / _PREPARED).is_file()), place
        )
        processor = SiglipImageProcessor.from_pretrained(pixels, local_files_only=True)
        encoder = kind.from_pretrained(
            place, use_safetensors=True, local_files_only=True, variant=weight_variant(place)
        )
        return encoder.to(self._dtype).eval().requires_grad_(False), processor


class _Embedders(Shelved):
    """What makes words of the encoder's states, by folder or file."""

    part = "redux"

    def _from_disk(self, place: Path) -> Any:
        from diffusers.pipelines.flux.modeling_flux import ReduxImageEncoder

        if place.is_file():
            config = redux_config(place)
            embedder, _ = network_of_file(ReduxImageEncoder, self.part, place, config, self._dtype)
        else:
            embedder, _ = network(ReduxImageEncoder, place, self._dtype)
        return embedder


class PictureReader:
    """Reads reference pictures for one model; remembers what it read last."""

    def __init__(self, shelf: Shelf, user: str, device: str, dtype: torch.dtype) -> None:
        self.encoders = _Encoders(shelf, user, device, dtype)
        self.embedders = _Embedders(shelf, user, device, dtype)
        self._device = device
        self._dtype = dtype
        self._remembered: OrderedDict[tuple[Path, bytes], torch.Tensor] = OrderedDict()
        self.calls = 0
        """Pictures encoded so far; those remembered do not count."""

    def words(self, control: PlannedControl) -> torch.Tensor:
        """A picture as words of the text, `(1, words, text width)`."""
        shown = control.reference
        assert shown is not None, "references are planned with their pictures"
        key = (control.folder, shown.digest)
        if key not in self._remembered:
            self._remembered[key] = self._read(control.folder, shown)
            self.calls += 1
        self._remembered.move_to_end(key)
        if len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)
        return self._remembered[key]

    def _read(self, folder: Path, shown: Reference) -> torch.Tensor:
        encoder, processor = self.encoders.load(shown.encoder)
        pixels = processor(shown.pixels, return_tensors="pt").pixel_values.to(self._device, self._dtype)
        states = encoder(pixels).last_hidden_state
        words: torch.Tensor = self.embedders.load(embedder_of(folder))(states).image_embeds
        return words


def embedder_of(place: Path) -> Path:
    """Where a Redux has its layers: the file that it is, or a folder in its own."""
    return place if place.is_file() else place / EMBEDDER
