"""The networks of Stable Diffusion 1.5 on their shelf: loading, text, pictures to latents and back."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from underpaint.engine.families.sd15_plugin import vae_factor
from underpaint.engine.pixels.color import Floats
from underpaint.engine.preview import Projection
from underpaint.engine.provenance import weight_files
from underpaint.engine.residency import Shelf, Slot
from underpaint.engine.tiling import Wrap

TEXT_CACHE = 64
"""Prompts whose embeddings a model remembers."""
LOADABLE = ("text_encoder", "unet", "vae")


class Parts:
    """One model's components. Reads configurations at once, weights when they are needed.

    All methods but `config` and `weights` belong to the device's one thread.
    """

    def __init__(self, folders: Mapping[str, Path], name: str, shelf: Shelf, device: str, dtype: str) -> None:
        self.name = name
        self._folders = folders
        self._shelf = shelf
        self._device = device
        self._dtype: torch.dtype = getattr(torch, dtype)
        self._texts: OrderedDict[str, tuple[torch.Tensor, str]] = OrderedDict()
        self._projection: Projection | None = None
        self.unet_config = self.config("unet", "config.json")
        self.vae_config = self.config("vae", "config.json")
        self.scheduler_config = self.config("scheduler", "scheduler_config.json")
        self.factor = vae_factor(self.vae_config)
        self.encoder_calls = 0
        """Runs of the text encoder so far."""

    @property
    def dtype(self) -> torch.dtype:
        """The number format that the networks compute in."""
        return self._dtype

    @property
    def device(self) -> str:
        """Where the networks are."""
        return self._device

    def config(self, component: str, file: str) -> Mapping[str, Any]:
        """A component's configuration."""
        content: Mapping[str, Any] = json.loads((self._folders[component] / file).read_text("utf-8"))
        return content

    def weights(self) -> dict[str, Path]:
        """Weight files by their path inside the model."""
        return {
            f"{component}/{path.name}": path
            for component in LOADABLE
            for path in weight_files(self._folders[component])
        }

    def missing(self) -> list[str]:
        """Components that are not in memory."""
        return [name for name in LOADABLE if not self._shelf.has(self._slot(name))]

    def load(self, component: str) -> None:
        """Brings one component into memory."""
        if component == "text_encoder":
            self._text_encoder()
        else:
            self._network(component, self._load_unet if component == "unet" else self._load_vae)

    def claim(self) -> None:
        """Brings every component into memory; marks those that another model loaded as used by this one."""
        for component in LOADABLE:
            self.load(component)

    @property
    def unet(self) -> tuple[Any, Wrap]:
        """The denoiser, and the switch for its edges."""
        return self._network("unet", self._load_unet)

    @property
    def vae(self) -> tuple[Any, Wrap]:
        """The autoencoder, and the switch for its edges."""
        return self._network("vae", self._load_vae)

    def embed(self, text: str) -> tuple[torch.Tensor, str]:
        """A text as `(1, tokens, width)`, and the end of it that the model could not read."""
        if text in self._texts:
            self._texts.move_to_end(text)
            return self._texts[text]
        tokenizer, encoder = self._text_encoder()
        length = tokenizer.model_max_length
        tokens = tokenizer(
            text, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        )
        whole = tokenizer(text).input_ids
        dropped = tokenizer.decode(whole[length - 1 : -1]).strip() if len(whole) > length else ""
        mask = None
        if getattr(encoder.config, "use_attention_mask", False):
            mask = tokens.attention_mask.to(self._device)
        embedded = encoder(tokens.input_ids.to(self._device), attention_mask=mask)[0]
        self.encoder_calls += 1
        self._texts[text] = (embedded, dropped)
        if len(self._texts) > TEXT_CACHE:
            self._texts.popitem(last=False)
        return embedded, dropped

    def encode(self, rgb: Floats, generator: torch.Generator) -> torch.Tensor:
        """A picture `(height, width, 3)` in 0.0 … 1.0 as scaled float32 latents `(1, c, h, w)`."""
        vae, _ = self.vae
        pixels = torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1)))[None]
        encoded = vae.encode((2.0 * pixels - 1.0).to(self._device, self._dtype))
        if hasattr(encoded, "latent_dist"):
            latents = encoded.latent_dist.sample(generator)
        else:
            latents = encoded.latents
        scaled: torch.Tensor = latents.float() * vae.config.scaling_factor
        return scaled

    @property
    def encoding_draws(self) -> bool:
        """Whether encoding a picture takes noise from the job's generator."""
        return bool(self.vae_config.get("_class_name") == "AutoencoderKL")

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Scaled latents `(n, c, h, w)` as RGB `(n, 3, height, width)` in 0.0 … 1.0, float32."""
        vae, _ = self.vae
        scaled = (latents / vae.config.scaling_factor).to(self._device, self._dtype)
        pixels: torch.Tensor = vae.decode(scaled, return_dict=False)[0]
        return (pixels.float() / 2 + 0.5).clamp(0, 1)

    def projection(self) -> Projection:
        """How previews get from latents to colours."""
        if self._projection is None:
            self._projection = Projection(self.decode, int(self.vae_config.get("latent_channels", 4)))
        return self._projection

    def _slot(self, component: str) -> Slot:
        return Slot(str(self._folders[component]), str(self._dtype))

    def _network(self, component: str, load: Callable[[], Any]) -> tuple[Any, Wrap]:
        held: tuple[Any, Wrap] = self._shelf.get(self._slot(component), self.name, load)
        return held

    def _load_unet(self) -> tuple[Any, Wrap]:
        from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

        return self._ready(UNet2DConditionModel, "unet")

    def _load_vae(self) -> tuple[Any, Wrap]:
        from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
        from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

        kinds = {"AutoencoderKL": AutoencoderKL, "AutoencoderTiny": AutoencoderTiny}
        name = str(self.vae_config.get("_class_name"))
        if name not in kinds:
            raise ValueError(f"{name} is none of {', '.join(kinds)}")
        return self._ready(kinds[name], "vae")

    def _ready(self, kind: Any, component: str) -> tuple[Any, Wrap]:
        folder = self._folders[component]
        network = kind.from_pretrained(
            folder,
            use_safetensors=True,
            local_files_only=True,
            variant=_variant(folder),
            torch_dtype=self._dtype,
        )
        network = network.to(self._device).eval().requires_grad_(False)
        return network, Wrap(network)

    def _text_encoder(self) -> tuple[Any, Any]:
        def load() -> tuple[Any, Any]:
            from transformers import CLIPTextModel, CLIPTokenizer

            folder = self._folders["text_encoder"]
            encoder = CLIPTextModel.from_pretrained(
                folder, use_safetensors=True, local_files_only=True, variant=_variant(folder)
            )
            tokenizer = CLIPTokenizer.from_pretrained(self._folders["tokenizer"], local_files_only=True)
            network: Any = encoder
            return tokenizer, network.to(self._device, self._dtype).eval().requires_grad_(False)

        held: tuple[Any, Any] = self._shelf.get(self._slot("text_encoder"), self.name, load)
        return held


def _variant(folder: Path) -> str | None:
    """The precision in the files' names, where there is no plain file."""
    for path in weight_files(folder):
        for variant in ("fp16", "bf16"):
            if f".{variant}." in path.name:
                return variant
    return None
