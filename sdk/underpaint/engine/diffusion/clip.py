"""One CLIP text encoder with its tokenizer: prompts of any length, in chunks, with weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch

from underpaint.engine.diffusion.chunks import Chunk, Token, split
from underpaint.engine.diffusion.components import Components, weight_variant
from underpaint.engine.diffusion.single_file import load_clip
from underpaint.engine.diffusion.tokenizer_files import load_clip_tokenizer
from underpaint.prompts import Span, split_words


@dataclass(frozen=True)
class ClipOutput:
    """What one encoder makes of a text."""

    hidden: torch.Tensor
    """`(1, chunks * length, width)`."""
    pooled: torch.Tensor | None
    """Of the first chunk, `(1, width)`."""


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
        components.made_with(encoder, tokenizer)
        self._tokenizer = tokenizer
        self._projected = projected
        self._penultimate = penultimate
        self.component = encoder
        self.words: Mapping[str, torch.Tensor] = {}
        """Words that are read as vectors `(count, width)` in place of their tokens'."""

    @property
    def loaded(self) -> bool:
        """Whether it is in memory."""
        return self._components.has(self.component)

    @property
    def network(self) -> tuple[Any, Any]:
        """Tokenizer and encoder, loaded if need be."""
        held: tuple[Any, Any] = self._components.get(self.component, self._load)
        return held

    @property
    def width(self) -> int:
        """Width of a token's vector."""
        width: int = self.network[1].config.hidden_size
        return width

    def chunks(self, spans: Sequence[Span], most: int) -> tuple[list[Chunk], str]:
        """A text in at most so many chunks, and the end of it that did not fit. At least one chunk."""
        tokenizer, _ = self.network
        tokens = [
            Token(number, name, span.weight)
            for span in spans
            for number, name in self._tokens(tokenizer, span.text)
        ]
        found = split(tokens, int(tokenizer.model_max_length) - 2)
        dropped = [token.number for chunk in found[most:] for token in chunk if token.number >= 0]
        return found[:most], tokenizer.decode(dropped).strip() if dropped else ""

    def encode(self, chunks: Sequence[Chunk]) -> ClipOutput:
        """Each chunk on its own, side by side."""
        weights = [[token.weight for token in chunk] for chunk in chunks]
        weighted = any(weight != 1.0 for chunk in weights for weight in chunk)
        hidden, pooled = self._run([*chunks, ()] if weighted else chunks)
        if weighted:
            hidden = _emphasised(hidden[:-1], hidden[-1:], weights)
        return ClipOutput(hidden.reshape(1, -1, hidden.shape[-1]), None if pooled is None else pooled[:1])

    def encode_start(self, text: str) -> ClipOutput:
        """As much of a text as fits, cut off right there; pooled also by an encoder without a projection."""
        tokenizer, encoder = self.network
        read = tokenizer(text, padding="max_length", truncation=True, return_tensors="pt")
        output = self._components.pace.run(
            (str(self._components.folder(self.component)), self.component, text),
            lambda: encoder(
                read.input_ids.to(self._components.device), output_hidden_states=self._penultimate
            ),
        )
        pooled = output.text_embeds if self._projected else output.pooler_output
        return ClipOutput(self._hidden(output), pooled)

    def _hidden(self, output: Any) -> torch.Tensor:
        hidden: torch.Tensor
        hidden = output.hidden_states[-2] if self._penultimate else output.last_hidden_state
        return hidden

    def _tokens(self, tokenizer: Any, text: str) -> list[tuple[int, str]]:
        """Numbers and names; a vector of `words` goes by a negative number, the first one by -1."""
        firsts = dict(zip(self.words, accumulate(map(len, self.words.values()), initial=0), strict=False))
        found: list[tuple[int, str]] = []
        for piece, word in split_words(text, self.words):
            if word:
                found += [
                    (-1 - firsts[word] - index, f"{word}</w>") for index in range(len(self.words[word]))
                ]
                continue
            numbers = tokenizer(piece, add_special_tokens=False, verbose=False).input_ids
            found += zip(numbers, tokenizer.convert_ids_to_tokens(numbers), strict=True)
        return found

    def _run(self, chunks: Sequence[Chunk]) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Hidden states `(chunks, length, width)` and pooled texts `(chunks, width)`."""
        tokenizer, encoder = self.network
        length, device = int(tokenizer.model_max_length), self._components.device
        rows, mask = [], torch.zeros(len(chunks), length, dtype=torch.long)
        for index, chunk in enumerate(chunks):
            row = [tokenizer.bos_token_id, *(token.number for token in chunk), tokenizer.eos_token_id]
            mask[index, : len(row)] = 1
            rows.append(row + [tokenizer.pad_token_id] * (length - len(row)))
        masked = getattr(encoder.config, "use_attention_mask", False)
        numbers = torch.tensor(rows)
        with self._vectors_at(encoder, numbers):
            output = self._components.pace.run(
                (str(self._components.folder(self.component)), self.component, str(rows)),
                lambda: encoder(
                    numbers.clamp(min=0).to(device),
                    attention_mask=mask.to(device) if masked else None,
                    output_hidden_states=self._penultimate,
                ),
            )
        return self._hidden(output), output.text_embeds if self._projected else None

    @contextmanager
    def _vectors_at(self, encoder: Any, numbers: torch.Tensor) -> Iterator[None]:
        """Has the vectors of `words` stand where numbers are negative, for one call."""
        if not bool((numbers < 0).any()):
            yield
            return
        vectors = torch.cat(list(self.words.values()))

        def put(_layer: Any, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
            place = (numbers < 0).to(output.device)
            return output.masked_scatter(
                place[..., None], vectors[-1 - numbers[numbers < 0]].to(output.device, output.dtype)
            )

        hook = encoder.get_input_embeddings().register_forward_hook(put)
        try:
            yield
        finally:
            hook.remove()

    def _load(self) -> tuple[Any, Any]:
        from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

        folder = self._components.folder(self.component)
        kind = CLIPTextModelWithProjection if self._projected else CLIPTextModel
        words = self._components.folder(self._tokenizer)
        network: Any
        if folder.is_file():
            config = self._components.config(self.component)
            network = load_clip(kind, self.component, folder, config)
            pad = self._components.padding(self._tokenizer)
            tokenizer = load_clip_tokenizer(words, int(config["max_position_embeddings"]), pad)
        else:
            network = kind.from_pretrained(
                folder, use_safetensors=True, local_files_only=True, variant=weight_variant(folder)
            )
            tokenizer = CLIPTokenizer.from_pretrained(words, local_files_only=True)
        ready = network.to(self._components.dtype).eval().requires_grad_(False)
        return tokenizer, ready


def _emphasised(hidden: torch.Tensor, nothing: torch.Tensor, weights: list[list[float]]) -> torch.Tensor:
    """Hidden states of weighted tokens, moved from those of an empty text `(1, length, width)`.

    A weight w gives nothing + w * (hidden - nothing): 0.0 is as if nothing stood there. Tokens of weight 1.0
    stay as they are, to the bit.
    """
    factors = torch.ones(hidden.shape[:2], dtype=hidden.dtype)
    for index, chunk in enumerate(weights):
        # The first position is the beginning-of-text token's.
        factors[index, 1 : len(chunk) + 1] = torch.tensor(chunk, dtype=hidden.dtype)
    factors = factors[..., None].to(hidden.device)
    return torch.where(factors == 1.0, hidden, nothing + factors * (hidden - nothing))
