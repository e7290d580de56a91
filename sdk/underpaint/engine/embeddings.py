"""Textual inversions (Gal et al. 2022): words that a model never saw, as vectors in place of tokens'."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from underpaint.engine.diffusion.text import TextEncoders, TextReader
from underpaint.engine.family import Assignment
from underpaint.errors import ModelUnusable

_MAX_VECTORS = 75
"""More would not fit beside beginning and end of a text."""
_ENCODERS = {"clip_l": "text_encoder", "clip_g": "text_encoder_2"}


@dataclass(frozen=True, slots=True, order=True)
class PlannedEmbedding:
    """An embedding that a job's prompts name. Hashable: texts are remembered with those that they knew."""

    word: str
    path: Path


def plan_embeddings(assignment: Assignment) -> tuple[PlannedEmbedding, ...]:
    """The embeddings of a job. Any thread."""
    return tuple(sorted(PlannedEmbedding(one.name, Path(one.path)) for one in assignment.embeddings))


def read_embedding(path: Path, widths: Mapping[str, int]) -> dict[str, torch.Tensor]:
    """Vectors `(count, width)` by text encoder, for those whose `widths` fit. Raises `ModelUnusable`."""
    from safetensors.torch import load_file

    found: dict[str, torch.Tensor] = {}
    for key, tensor in load_file(path).items():
        vectors = tensor if tensor.ndim == 2 else tensor.reshape(1, -1)
        named = _ENCODERS.get(key)
        for encoder in (named,) if named else widths:
            if widths.get(encoder) == vectors.shape[1]:
                found[encoder] = vectors
    if any(len(vectors) > _MAX_VECTORS for vectors in found.values()):
        raise ModelUnusable(
            f"The embedding {path.stem!r} cannot be used: it has more than {_MAX_VECTORS} vectors, and no "
            "text is that long. Choose another one.",
            metadata={"model": path.stem, "path": str(path)},
        )
    return found


@contextmanager
def knowing(embeddings: Sequence[PlannedEmbedding], *readers: TextReader) -> Iterator[None]:
    """Has text encoders read these words as their vectors; what is read next knows none of them."""
    known = [reader for reader in readers if isinstance(reader, TextEncoders)] if embeddings else []
    try:
        for reader in known:
            read = {one.word: read_embedding(one.path, reader.widths()) for one in embeddings}
            reader.learn(read)
        yield
    finally:
        for reader in known:
            reader.learn({})
