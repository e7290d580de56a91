"""FLUX's text: T5's hidden states, and one vector of CLIP's."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from underpaint.engine.diffusion.clip import ClipEncoder
from underpaint.engine.diffusion.components import Components
from underpaint.engine.diffusion.t5 import T5Encoder
from underpaint.engine.diffusion.text import Recent, TextEncoding
from underpaint.engine.prompts import plain


class FluxText:
    """Reads prompts for one model, `length` tokens of them; see `TextReader`.

    Weights count for nothing: T5's words lean on one another, and nobody trained a model for it.
    """

    def __init__(self, components: Components, length: int) -> None:
        self._clip = ClipEncoder(components, "text_encoder", "tokenizer")
        self._t5 = T5Encoder(components, "text_encoder_2", "tokenizer_2", length)
        self.recent = Recent()
        self.components: tuple[str, ...] = (self._clip.component, self._t5.component)
        self.max_chunks = 1
        self.calls = 0
        """Prompts encoded so far; those remembered do not count."""

    def has(self, component: str) -> bool:
        """Whether an encoder is in memory."""
        return self._t5.loaded if component == self._t5.component else self._clip.loaded

    def load(self, component: str) -> None:
        """Brings an encoder into memory."""
        _ = self._t5.network if component == self._t5.component else self._clip.network

    def module(self, component: str) -> torch.nn.Module:
        """An encoder's network, loaded if need be."""
        held = self._t5 if component == self._t5.component else self._clip
        network: torch.nn.Module = held.network[1]
        return network

    def encode(self, prompt: str) -> TextEncoding:
        """What the transformer reads for a prompt."""
        return self.recent.get(prompt, self._encode)

    def encode_both(self, prompt: str, negative: str) -> tuple[TextEncoding, TextEncoding]:
        """A prompt and a negative prompt; they are of one length by nature."""
        return self.encode(prompt), self.encode(negative)

    def filled(self, encodings: Sequence[TextEncoding]) -> list[TextEncoding]:
        """The same: they are of one length."""
        return list(encodings)

    def _encode(self, prompt: str) -> TextEncoding:
        words = plain(prompt)
        read = self._t5.encode(words)
        self.calls += 1
        # What CLIP has no place for, T5 has: cut off without a word.
        return TextEncoding(read.hidden, self._clip.encode_start(words).pooled, read.dropped)
