"""Text for a denoiser: what CLIP's encoders, one or several together, make of a prompt."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch

from underpaint.engine.diffusion.clip import ClipEncoder
from underpaint.engine.prompts import parse

REMEMBERED = 64
"""Prompts whose encodings a model remembers."""
MAX_CHUNKS = 8
"""Chunks of a prompt, 75 tokens each, that are read at most."""


@dataclass(frozen=True)
class TextEncoding:
    """A prompt as the denoiser reads it."""

    hidden: torch.Tensor
    """`(1, tokens, width)`."""
    pooled: torch.Tensor | None = None
    """The prompt's first chunk in one vector, `(1, width)`, from encoders that make one."""
    dropped: str = ""
    """The end of the prompt that the model could not read."""

    def nothing(self) -> TextEncoding:
        """Zeros of the same shape."""
        pooled = None if self.pooled is None else torch.zeros_like(self.pooled)
        return TextEncoding(torch.zeros_like(self.hidden), pooled)


class Recent:
    """The encodings that were made last, by prompt; those not used for longest go first."""

    def __init__(self) -> None:
        self._held: OrderedDict[Hashable, TextEncoding] = OrderedDict()
        self.variant: Hashable = ()
        """What the encoders are changed by at this moment: what they read is remembered with it."""

    def get(self, prompt: str, encode: Callable[[str], TextEncoding]) -> TextEncoding:
        """What `encode` makes of a prompt, or made of it not long ago."""
        key = (self.variant, prompt)
        if key not in self._held:
            self._held[key] = encode(prompt)
        self._held.move_to_end(key)
        if len(self._held) > REMEMBERED:
            self._held.popitem(last=False)
        return self._held[key]


class TextReader(Protocol):
    """What reads prompts for a model. Belongs to the device's one thread."""

    components: tuple[str, ...]
    """Names of the components with weights."""
    max_chunks: int
    """Chunks of a prompt that are read at most, by a reader that reads in chunks."""
    recent: Recent
    """What it has read lately."""

    def has(self, component: str) -> bool:
        """Whether a component is in memory."""

    def load(self, component: str) -> None:
        """Brings one into memory."""

    def module(self, component: str) -> torch.nn.Module:
        """An encoder's network, loaded if need be."""

    def encode(self, prompt: str) -> TextEncoding:
        """A prompt as the denoiser reads it."""

    def encode_both(self, prompt: str, negative: str) -> tuple[TextEncoding, TextEncoding]:
        """A prompt and a negative prompt, of the same length."""

    def filled(self, encodings: Sequence[TextEncoding]) -> list[TextEncoding]:
        """Encodings filled up to the length of the longest."""


class TextEncoders:
    """A model's text encoders. Their hidden states lie side by side; the last one's pooled text counts.

    `zero_negative`: an empty negative prompt is zeros, not the encoding of an empty text (SDXL's
    `force_zeros_for_empty_prompt`). Belongs to the device's one thread.
    """

    def __init__(self, encoders: Sequence[ClipEncoder], *, zero_negative: bool = False) -> None:
        self._encoders = {encoder.component: encoder for encoder in encoders}
        self._zero_negative = zero_negative
        self.recent = Recent()
        self.components = tuple(self._encoders)
        """Names of the components with weights."""
        self.max_chunks = MAX_CHUNKS
        self.calls = 0
        """Prompts encoded so far; those remembered do not count."""

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

    def widths(self) -> dict[str, int]:
        """Width of a token's vector, by encoder."""
        return {name: encoder.width for name, encoder in self._encoders.items()}

    def learn(self, words: Mapping[str, Mapping[str, torch.Tensor]]) -> None:
        """From now on these words are read as vectors `(count, width)`, by encoder; no others are."""
        for name, encoder in self._encoders.items():
            encoder.words = {word: vectors[name] for word, vectors in words.items() if name in vectors}

    def encode(self, prompt: str) -> TextEncoding:
        """What the denoiser reads for a prompt, weights and all."""
        return self.recent.get(prompt, self._encode)

    def encode_both(self, prompt: str, negative: str) -> tuple[TextEncoding, TextEncoding]:
        """A prompt and a negative prompt, the shorter one filled up with empty chunks."""
        text = self.encode(prompt)
        if self._zero_negative and not negative:
            return text, text.nothing()
        text, other = self.filled([text, self.encode(negative)])
        return text, other

    def filled(self, encodings: Sequence[TextEncoding]) -> list[TextEncoding]:
        """Encodings filled up with empty chunks to the length of the longest."""
        length = max(one.hidden.shape[1] for one in encodings)
        return [self._filled(one, length) for one in encodings]

    def _encode(self, prompt: str) -> TextEncoding:
        spans, encoders = parse(prompt), self._encoders.values()
        parts = [encoder.chunks(spans, self.max_chunks) for encoder in encoders]
        most = max(len(chunks) for chunks, _ in parts)
        outputs = [
            encoder.encode([*chunks, *[()] * (most - len(chunks))])
            for encoder, (chunks, _) in zip(encoders, parts, strict=True)
        ]
        self.calls += 1
        hidden = torch.cat([output.hidden for output in outputs], dim=-1)
        return TextEncoding(hidden, outputs[-1].pooled, parts[-1][1])

    def _filled(self, encoding: TextEncoding, length: int) -> TextEncoding:
        missing = length - encoding.hidden.shape[1]
        if not missing:
            return encoding
        empty = self.encode("").hidden
        hidden = [encoding.hidden, *[empty] * (missing // empty.shape[1])]
        return replace(encoding, hidden=torch.cat(hidden, dim=1))
