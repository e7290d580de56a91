"""One CLIP text encoder with its tokenizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from underpaint.engine.diffusion.components import Components, weight_variant


@dataclass(frozen=True)
class ClipOutput:
    """What one encoder makes of a text."""

    hidden: torch.Tensor
    """`(1, tokens, width)`."""
    pooled: torch.Tensor | None
    """`(1, width)`, from encoders with a projection."""
    dropped: str
    """The end of the text that did not fit."""


class ClipEncoder:
    """A tokenizer and its text encoder.

    `projected`: the encoder has a text projection, whose output is the pooled text. `penultimate`: hidden
    states before the last layer, without the final normalisation, as SDXL reads them (Podell et al. 2023);
    otherwise those after it.
    """

    def __init__(
        self,
        components: Components,
        encoder: str,
        tokenizer: str,
        *,
        projected: bool = False,
        penultimate: bool = False,
    ) -> None:
        self._components = components
        self._tokenizer = tokenizer
        self._projected = projected
        self._penultimate = penultimate
        self.component = encoder

    @property
    def loaded(self) -> bool:
        """Whether it is in memory."""
        return self._components.has(self.component)

    @property
    def network(self) -> tuple[Any, Any]:
        """Tokenizer and encoder, loaded if need be."""
        held: tuple[Any, Any] = self._components.get(self.component, self._load)
        return held

    def encode(self, text: str) -> ClipOutput:
        """A text of any length."""
        tokenizer, encoder = self.network
        length = tokenizer.model_max_length
        tokens = tokenizer(
            text, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        )
        whole = tokenizer(text).input_ids
        dropped = tokenizer.decode(whole[length - 1 : -1]).strip() if len(whole) > length else ""
        mask = None
        if getattr(encoder.config, "use_attention_mask", False):
            mask = tokens.attention_mask.to(self._components.device)
        output = encoder(
            tokens.input_ids.to(self._components.device),
            attention_mask=mask,
            output_hidden_states=self._penultimate,
        )
        hidden = output.hidden_states[-2] if self._penultimate else output.last_hidden_state
        return ClipOutput(hidden, output.text_embeds if self._projected else None, dropped)

    def _load(self) -> tuple[Any, Any]:
        from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

        folder = self._components.folder(self.component)
        kind = CLIPTextModelWithProjection if self._projected else CLIPTextModel
        network: Any = kind.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, variant=weight_variant(folder)
        )
        tokenizer = CLIPTokenizer.from_pretrained(
            self._components.folder(self._tokenizer), local_files_only=True
        )
        ready = network.to(self._components.device, self._components.dtype).eval().requires_grad_(False)
        return tokenizer, ready
