"""What three text encoders make of a prompt (Esser et al. 2024, section 4)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from underpaint.engine.diffusion.clip import ClipEncoder
from underpaint.engine.diffusion.components import Components
from underpaint.engine.diffusion.t5 import T5Encoder
from underpaint.engine.diffusion.text import Recent, TextEncoding
from underpaint.engine.prompts import plain

T5_LENGTH = 256
"""Tokens that T5 reads; CLIP reads 77, which a note would only repeat."""


class SD3Text:
    """CLIP's hidden states beside one another, T5's behind them, CLIP's pooled texts as one vector."""

    def __init__(self, components: Components) -> None:
        self._clips = [
            ClipEncoder(components, f"text_encoder{end}", f"tokenizer{end}", projected=True, penultimate=True)
            for end in ("", "_2")
        ]
        self._t5 = T5Encoder(components, "text_encoder_3", "tokenizer_3", T5_LENGTH)
        self._encoders = {encoder.component: encoder for encoder in (*self._clips, self._t5)}
        self.recent = Recent()
        self.components = tuple(self._encoders)
        self.max_chunks = 1

    def has(self, component: str) -> bool:
        """Whether an encoder is in memory."""
        return self._encoders[component].loaded

    def load(self, component: str) -> None:
        """Brings an encoder into memory."""
        _ = self._encoders[component].network

    def module(self, component: str) -> torch.nn.Module:
        """An encoder's network, loaded if need be."""
        network: torch.nn.Module = self._encoders[component].network[1]
        return network

    def encode(self, prompt: str) -> TextEncoding:
        """A prompt as the transformer reads it; its weights count for nothing."""
        return self.recent.get(plain(prompt), self._encode)

    def encode_both(self, prompt: str, negative: str) -> tuple[TextEncoding, TextEncoding]:
        """A prompt and a negative prompt; they are of one length by nature."""
        return self.encode(prompt), self.encode(negative)

    def filled(self, encodings: Sequence[TextEncoding]) -> list[TextEncoding]:
        """The same: they are of one length."""
        return list(encodings)

    def _encode(self, words: str) -> TextEncoding:
        read = [clip.encode_start(words) for clip in self._clips]
        long = self._t5.encode(words)
        short = torch.cat([one.hidden for one in read], dim=-1)
        short = functional.pad(short, (0, long.hidden.shape[-1] - short.shape[-1]))
        pooled = torch.cat([one.pooled for one in read if one.pooled is not None], dim=-1)
        return TextEncoding(torch.cat([short, long.hidden], dim=1), pooled, long.dropped)
