"""Tokenizers for single files, which never hold one: from a model that the user has, or a package."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

CLIP_WORDS = 49408
"""Words of the tokenizer that every CLIP text encoder of Stable Diffusion and FLUX was trained with."""
PACKAGES = ("clip", "open_clip")
"""Packages that carry OpenAI's vocabulary."""
VOCABULARY = "bpe_simple_vocab_16e6.txt.gz"
T5_WORDS = range(32000, 32129)
"""Words of T5's tokenizer, with or without its marks and what fills its encoder's table up."""
FILE = "tokenizer.json"
"""All of a tokenizer in one file: what transformers 5 writes, in place of vocab.json and merges.txt."""
MAX_JSON = 8 << 20


class Tokenizers:
    """The tokenizers of one scan. Reads vocabularies when asked."""

    def __init__(self, folders: Iterable[Path], known: dict[tuple[str, int, int], int]) -> None:
        self._folders = tuple(dict.fromkeys(folders))
        self._known = known
        self._found: dict[int, Path | None] = {}

    def tokenizer(self, words: int) -> Path | None:
        """The first that has so many words."""
        if words not in self._found:
            self._found[words] = self._find(words)
        return self._found[words]

    def t5_tokenizer(self) -> Path | None:
        """The first that is T5's."""
        return next((folder for folder in self._folders if self._t5_words(folder) in T5_WORDS), None)

    def _find(self, words: int) -> Path | None:
        for folder in self._folders:
            if self._words(folder) == words and _pads_with_end(folder):
                return folder
        return packaged() if words == CLIP_WORDS else None

    def _words(self, folder: Path) -> int:
        if (folder / "merges.txt").is_file():
            return self._counted(folder / "vocab.json", "")
        return self._counted(folder / FILE, "BPE")

    def _t5_words(self, folder: Path) -> int:
        return self._counted(folder / FILE, "Unigram")

    def _counted(self, file: Path, kind: str) -> int:
        try:
            status = file.stat()
        except OSError:
            return 0
        mark = (f"{kind} {file}", status.st_size, status.st_mtime_ns)
        if mark not in self._known:
            content = _object(file)
            self._known[mark] = _words_of(content, kind) if kind else len(content)
        return self._known[mark]


def packaged() -> Path | None:
    """The vocabulary that an installed package carries. Imports none of them."""
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        for place in (spec.submodule_search_locations or ()) if spec is not None else ():
            if (Path(place) / VOCABULARY).is_file():
                return Path(place) / VOCABULARY
    return None


def _words_of(tokenizer: dict[str, Any], kind: str) -> int:
    """Words of a `tokenizer.json` of this kind (CLIP's is "BPE", T5's "Unigram"); 0 for any other."""
    model = tokenizer.get("model")
    words = model.get("vocab") if isinstance(model, dict) and model.get("type") == kind else None
    return len(words) if isinstance(words, (list, dict)) else 0


def _pads_with_end(folder: Path) -> bool:
    """Stable Diffusion 2 and OpenCLIP pad with "!", which CLIP L was not trained with."""
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        pad = _object(folder / name).get("pad_token")
        text = pad.get("content") if isinstance(pad, dict) else pad
        if text is not None:
            return bool(text == "<|endoftext|>")
    return True


def _object(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_JSON:
            return {}
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
