"""CLIP's tokenizers out of what the user has: a folder, or OpenAI's list of merges."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any


def load_clip_tokenizer(path: Path, length: int, pad: str = "") -> Any:
    """CLIP's tokenizer from a folder, or from OpenAI's list of merges in a package.

    `length` tokens fit at most; `pad` fills shorter texts up where it is not the tokenizer's own word.
    """
    from transformers import CLIPTokenizer

    if path.is_dir():
        tokenizer = CLIPTokenizer.from_pretrained(path, local_files_only=True)
    else:
        vocabulary, merges = _vocabulary(path)
        words: Any = merges  # pairs, as transformers' own reader gives them
        tokenizer = CLIPTokenizer(vocab=vocabulary, merges=words, model_max_length=length)
    # Folders of old do not say how much fits.
    tokenizer.model_max_length = min(tokenizer.model_max_length, length)
    if pad:
        tokenizer.pad_token = pad
    return tokenizer


def _vocabulary(path: Path) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Words and merges from OpenAI's `bpe_simple_vocab_16e6.txt.gz`, numbered as CLIP's tokenizer does."""
    lines = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")[1 : 49152 - 256 - 2 + 1]
    merges = [(first, second) for first, second in (line.split() for line in lines)]
    letters = _letters()
    words = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(merge) for merge in merges)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    return {word: index for index, word in enumerate(words)}, merges


def _letters() -> list[str]:
    """A printable character for each byte, in the order of CLIP's (and GPT-2's) vocabulary."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = range(256 - len(plain))
    return [chr(code) for code in plain] + [chr(256 + index) for index in others]
