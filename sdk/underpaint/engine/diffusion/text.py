"""Text for a denoiser: CLIP's encoders, and what they make of a prompt."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from underpaint.engine.diffusion.components import Components, weight_variant

REMEMBERED = 64
"""Prompts whose encodings a model remembers."""


@dataclass(frozen=True)
class TextEncoding:
    """A prompt as the denoiser reads it."""

    hidden: torch.Tensor
    """`(1, tokens, width)`."""
    pooled: torch.Tensor | None = None
    """The whole prompt in one vector, `(1, width)`, for families that take it."""
    dropped: str = ""
    """The end of the prompt that the model could not read."""


class TextEncoders(Protocol):
    """A family's text encoders together. `encode` belongs to the device's one thread."""

    components: tuple[str, ...]
    """Names of those with weights."""
    calls: int
    """Prompts encoded so far; those remembered do not count."""

    def has(self, component: str) -> bool:
        """Whether one is in memory."""

    def load(self, component: str) -> None:
        """Brings one into memory."""

    def encode(self, text: str) -> TextEncoding:
        """What the model reads for a prompt."""


class ClipEncoder:
    """A tokenizer and its text encoder.

    `kind`: the class in transformers, "CLIPTextModel" or "CLIPTextModelWithProjection".
    """

    def __init__(self, components: Components, encoder: str, tokenizer: str, kind: str) -> None:
        self._components = components
        self._tokenizer = tokenizer
        self._kind = kind
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

    def run(self, text: str, **options: Any) -> tuple[Any, str]:
        """The encoder's output for a text, and the end of it that did not fit."""
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
        return encoder(tokens.input_ids.to(self._components.device), attention_mask=mask, **options), dropped

    def _load(self) -> tuple[Any, Any]:
        import transformers

        folder = self._components.folder(self.component)
        encoder = getattr(transformers, self._kind).from_pretrained(
            folder, use_safetensors=True, local_files_only=True, variant=weight_variant(folder)
        )
        tokenizer = transformers.CLIPTokenizer.from_pretrained(
            self._components.folder(self._tokenizer), local_files_only=True
        )
        network: Any = encoder
        ready = network.to(self._components.device, self._components.dtype).eval().requires_grad_(False)
        return tokenizer, ready


class Memory:
    """Encodings of the last prompts."""

    def __init__(self) -> None:
        self._encodings: OrderedDict[str, TextEncoding] = OrderedDict()

    def get(self, text: str) -> TextEncoding | None:
        """What is remembered of a prompt."""
        if text in self._encodings:
            self._encodings.move_to_end(text)
        return self._encodings.get(text)

    def keep(self, text: str, encoding: TextEncoding) -> TextEncoding:
        """Remembers one, and forgets the one that was not asked for longest."""
        self._encodings[text] = encoding
        if len(self._encodings) > REMEMBERED:
            self._encodings.popitem(last=False)
        return encoding
