"""The tokenizer, made from the vocabulary, and the text encoder, trained with the U-Net."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import cast

from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from .captions import vocabulary
from .paths import cache

LENGTH = 16
START, END = "<|startoftext|>", "<|endoftext|>"


def _bytes() -> list[str]:
    """The 256 printable stand-ins for bytes, in the order CLIP's vocabulary has them."""
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in keep]
    return [chr(byte) for byte in keep] + [chr(256 + k) for k in range(len(rest))]


def _merges(words: list[str]) -> list[tuple[str, str]]:
    """Byte-pair merges that make every word one token: the commonest pair, again and again."""
    pieces = [[*word[:-1], word[-1] + "</w>"] for word in sorted(set(words))]
    merges: list[tuple[str, str]] = []
    while True:
        pairs = Counter(pair for word in pieces for pair in zip(word, word[1:], strict=False))
        if not pairs:
            return merges
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        for word in pieces:
            k = 0
            while k < len(word) - 1:
                if (word[k], word[k + 1]) == best:
                    word[k : k + 2] = ["".join(best)]
                k += 1


def write_tokenizer(folder: Path) -> None:
    """All the files that old and new transformers look for."""
    folder.mkdir(parents=True, exist_ok=True)
    words = re.findall(r"[a-z]+", " ".join(w for part in vocabulary().values() for w in part))
    merges = _merges(words + ["a", "of", "the", "with", "and", "on", "in"])
    alphabet = _bytes()
    tokens = [*alphabet, *(c + "</w>" for c in alphabet), *("".join(m) for m in merges)]
    tokens = [*dict.fromkeys(tokens), START, END]
    vocab = {token: number for number, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), "utf-8")
    lines = ["#version: 0.2", *(" ".join(merge) for merge in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", "utf-8")
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=1), "utf-8")
    config = {
        "tokenizer_class": "CLIPTokenizer", "model_max_length": LENGTH, "do_lower_case": True,
        "add_prefix_space": False, "errors": "replace", **special,
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1), "utf-8")
    (folder / "config.json").write_text(json.dumps({"model_type": "clip"}), "utf-8")


def tokenizer() -> CLIPTokenizer:
    """The tokenizer, loaded from the files just written: what is saved is what was trained."""
    folder = cache() / "tokenizer"
    write_tokenizer(folder)
    loaded: CLIPTokenizer = CLIPTokenizer.from_pretrained(folder)
    return loaded


def new_encoder(size: int, end: int, start: int) -> CLIPTextModel:
    """Untrained text encoder: 128 wide, two layers."""
    model = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=size, hidden_size=128, intermediate_size=384, projection_dim=128,
            num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=LENGTH,
            bos_token_id=start, eos_token_id=end, pad_token_id=end,
        )
    )  # fmt: skip
    # words must be apart from the first step: at the usual 0.02 what all patterns have in
    # common is learned first, and stripes, dots and checker stay one word for very long
    words = cast(nn.Embedding, model.get_input_embeddings())
    nn.init.normal_(words.weight, std=0.12)
    return model
