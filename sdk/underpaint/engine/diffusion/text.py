"""Text for a denoiser: what CLIP's encoders, one or several together, make of a prompt."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from underpaint.engine.diffusion.clip import ClipEncoder

REMEMBERED = 64
"""Prompts whose encodings a model remembers."""


@dataclass(frozen=True)
class TextEncoding:
    """A prompt as the denoiser reads it."""

    hidden: torch.Tensor
    """`(1, tokens, width)`."""
    pooled: torch.Tensor | None = None
    """The whole prompt in one vector, `(1, width)`, from encoders that make one."""
    dropped: str = ""
    """The end of the prompt that the model could not read."""

    def nothing(self) -> TextEncoding:
        """Zeros of the same shape."""
        pooled = None if self.pooled is None else torch.zeros_like(self.pooled)
        return TextEncoding(torch.zeros_like(self.hidden), pooled)


class TextEncoders:
    """A model's text encoders. Their hidden states lie side by side; the last one's pooled text counts.

    `zero_negative`: an empty negative prompt is zeros, not the encoding of an empty text (SDXL's
    `force_zeros_for_empty_prompt`). Belongs to the device's one thread.
    """

    def __init__(self, encoders: Sequence[ClipEncoder], *, zero_negative: bool = False) -> None:
        self._encoders = {encoder.component: encoder for encoder in encoders}
        self._zero_negative = zero_negative
        self._remembered: OrderedDict[str, TextEncoding] = OrderedDict()
        self.components = tuple(self._encoders)
        """Names of the components with weights."""
        self.calls = 0
        """Prompts encoded so far; those remembered do not count."""

    def has(self, component: str) -> bool:
        """Whether an encoder is in memory."""
        return self._encoders[component].loaded

    def load(self, component: str) -> None:
        """Brings an encoder into memory."""
        _ = self._encoders[component].network

    def encode(self, text: str) -> TextEncoding:
        """What the denoiser reads for a prompt."""
        if text in self._remembered:
            self._remembered.move_to_end(text)
            return self._remembered[text]
        outputs = [encoder.encode(text) for encoder in self._encoders.values()]
        self.calls += 1
        hidden = torch.cat([output.hidden for output in outputs], dim=-1)
        encoding = TextEncoding(hidden, outputs[-1].pooled, outputs[-1].dropped)
        self._remembered[text] = encoding
        if len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)
        return encoding

    def encode_negative(self, text: str, prompt: TextEncoding) -> TextEncoding:
        """What the denoiser reads for a negative prompt, in the shape of the prompt's encoding."""
        return prompt.nothing() if self._zero_negative and not text else self.encode(text)
