"""One T5 text encoder with its tokenizer: a prompt's words in order, as many as fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from underpaint.engine.diffusion.components import Components, weight_variant
from underpaint.engine.diffusion.single_file import load_t5


@dataclass(frozen=True)
class T5Output:
    """What the encoder makes of a text."""

    hidden: torch.Tensor
    """`(1, length, width)`."""
    dropped: str
    """The end of the text that did not fit."""


class T5Encoder:
    """A tokenizer and its text encoder, which reads `length` tokens, the end mark among them."""

    def __init__(self, components: Components, encoder: str, tokenizer: str, length: int) -> None:
        self._components = components
        components.made_with(encoder, tokenizer)
        self._tokenizer = tokenizer
        self._length = length
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

    def encode(self, text: str) -> T5Output:
        """A text filled up to the encoder's length, which the models were trained to see as it is."""
        tokenizer, encoder = self.network
        # One more than there is place for is the end mark, which stays.
        numbers = list(tokenizer(text, verbose=False).input_ids)
        row = numbers if len(numbers) <= self._length else [*numbers[: self._length - 1], numbers[-1]]
        dropped = numbers[len(row) - 1 : -1] if len(numbers) > len(row) else []
        padded = row + [tokenizer.pad_token_id] * (self._length - len(row))
        hidden = self._components.pace.run(
            (str(self._components.folder(self.component)), self.component, str(padded)),
            lambda: encoder(torch.tensor([padded]).to(self._components.device)).last_hidden_state,
        )
        return T5Output(hidden, tokenizer.decode(dropped).strip() if dropped else "")

    def _load(self) -> tuple[Any, Any]:
        from transformers import AutoTokenizer, T5EncoderModel

        folder, dtype = self._components.folder(self.component), self._components.dtype
        network: Any
        if folder.is_file():
            config = self._components.config(self.component)
            network = load_t5(T5EncoderModel, self.component, folder, config, dtype)
        else:
            network = T5EncoderModel.from_pretrained(
                folder,
                use_safetensors=True,
                local_files_only=True,
                variant=weight_variant(folder),
                # The older name, which every transformers that we take knows.
                torch_dtype=dtype,
            )
        words = self._components.folder(self._tokenizer)
        tokenizer = AutoTokenizer.from_pretrained(words, local_files_only=True)
        return tokenizer, network.eval().requires_grad_(False)
