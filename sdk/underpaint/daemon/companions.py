"""What else the user has, for models that do not hold everything: tokenizers, VAEs and text encoders.

A model's `underpaint.json` may name files to take instead of its own, as `models list` names them:

    {"vae": "sdxl-vae-fp16-fix", "text_encoder": "clip-l-finetuned"}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from underpaint.daemon.scan import DETAILS, MAX_JSON, FoundModel
from underpaint.daemon.tokenizers import Tokenizers
from underpaint.errors import ModelUnusable
from underpaint.weights import Probe, kinds

CHOSEN: Final[Mapping[str, str]] = {
    "vae": kinds.VAE,
    "text_encoder": kinds.TEXT_ENCODER,
    "text_encoder_2": kinds.TEXT_ENCODER,
}
"""Components that a model's `underpaint.json` may name a file for, and the kind that it must have."""
CONFIG: Final = "config"
"""Component that stands for the folder with a model's configurations, where weights lie in files."""
_WIDEST: Final = ("F64", "F32", "BF16", "F16")


class Companions:
    """What one scan found (`underpaint.hookspecs.Companions`). Files by the name they are listed with."""

    def __init__(self, tokenizers: Tokenizers, files: Mapping[str, tuple[Path, Probe]]) -> None:
        self._tokenizers = tokenizers
        self._files = files
        self._asked: dict[tuple[str, ...], tuple[Path, ...]] = {}

    def tokenizer(self, words: int) -> Path | None:
        """CLIP's, with so many words."""
        return self._tokenizers.tokenizer(words)

    def t5_tokenizer(self) -> Path | None:
        """T5's."""
        return self._tokenizers.t5_tokenizer()

    def weights(self, kind: str, *families: str) -> tuple[Path, ...]:
        """Usable files of a kind and one of these families, widest number format first, then by name."""
        asked = (kind, *families)
        if asked not in self._asked:
            found = [
                (_rank(probe), name, path)
                for name, (path, probe) in self._files.items()
                if probe.kind == kind and probe.family in families and not probe.problem
            ]
            self._asked[asked] = tuple(path for _, _, path in sorted(found))
        return self._asked[asked]

    def chosen(self, model: Path) -> dict[str, Path]:
        """Files by component that the `underpaint.json` of a model names. Raises `ModelUnusable`."""
        details = model / DETAILS if model.is_dir() else model.with_name(f"{model.stem}.{DETAILS}")
        notes = _notes(details)
        return {part: self._named(details, part, notes[part]) for part in CHOSEN if part in notes}

    def with_chosen(self, found: FoundModel) -> FoundModel:
        """A model's folder with the files that its user chose; one that names a wrong file is unusable."""
        if found.traits is None:
            return found
        try:
            chosen = self.chosen(found.path)
        except ModelUnusable as error:
            return replace(found, traits=None, family=None, problem=error.message)
        if not chosen:
            return found
        components = {**found.traits.components, **chosen, CONFIG: found.path}
        return replace(found, traits=replace(found.traits, components=components))

    def _named(self, details: Path, part: str, name: object) -> Path:
        kind = CHOSEN[part]
        full = str(name) if str(name).startswith(f"{kind}:") else f"{kind}:{name}"
        path, probe = self._files.get(full, (None, None))
        if path is None or probe is None:
            raise ModelUnusable(
                f"{details} names {name!r} as its {part}, and there is none of that name. "
                f"'underpaint models list --kind {kind}' names every one",
                metadata={"path": str(details)},
            )
        if probe.problem:
            raise ModelUnusable(
                f"{details} names {name!r} as its {part}, which cannot be used: {probe.problem}",
                metadata={"path": str(path)},
            )
        return path


def _rank(probe: Probe) -> int:
    return _WIDEST.index(probe.dtype) if probe.dtype in _WIDEST else len(_WIDEST)


def _notes(details: Path) -> Mapping[str, object]:
    try:
        if details.stat().st_size > MAX_JSON:
            raise ModelUnusable(f"{details} is larger than such a file can be")
        content = json.loads(details.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelUnusable(f"{details} cannot be read ({error})") from error
    return content if isinstance(content, dict) else {}
