"""Text for Stable Diffusion 1.5: the last hidden states of one CLIP encoder."""

from __future__ import annotations

from underpaint.engine.diffusion.components import Components
from underpaint.engine.diffusion.text import ClipEncoder, Memory, TextEncoding


class Sd15Text:
    """See `underpaint.engine.diffusion.text.TextEncoders`."""

    components: tuple[str, ...] = ("text_encoder",)

    def __init__(self, components: Components) -> None:
        self._clip = ClipEncoder(components, "text_encoder", "tokenizer", "CLIPTextModel")
        self._memory = Memory()
        self.calls = 0

    def has(self, component: str) -> bool:
        """Whether the encoder is in memory."""
        return self._clip.loaded

    def load(self, component: str) -> None:
        """Brings the encoder into memory."""
        _ = self._clip.network

    def encode(self, text: str) -> TextEncoding:
        """Hidden states after the encoder's final normalisation, `(1, tokens, width)`."""
        known = self._memory.get(text)
        if known is not None:
            return known
        output, dropped = self._clip.run(text)
        self.calls += 1
        return self._memory.keep(text, TextEncoding(output[0], dropped=dropped))
