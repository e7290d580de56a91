"""Embeddings that prompts name: found by their file names, checked, handed to the worker."""

from __future__ import annotations

from collections.abc import Iterable

from underpaint.daemon.models import ModelIndex
from underpaint.daemon.scan import FoundModel
from underpaint.errors import ModelUnusable
from underpaint.prompts import plain, split_words
from underpaint.v1.job_service_pb2 import JobSpec
from underpaint.weights import kinds
from underpaint.weights.probe import PICKLES
from underpaint.worker_v1.worker_service_pb2 import EmbeddingSource

FOLDER = "embeddings"


async def embedding_sources(spec: JobSpec, model: FoundModel, models: ModelIndex) -> list[EmbeddingSource]:
    """What a worker needs for each embedding that the prompts of a specification name, by word.

    Those for other families stay plain words. Raises ModelUnusable for one that is named and is a pickle or
    broken.
    """
    known = {_word(found): found for found in await models.all(recent=True) if _fits(found, model)}
    texts = [plain(text) for text in _prompts(spec)]
    named = {name for text in texts for _, name in split_words(text, known) if name}
    for name in sorted(named):
        if known[name].problem and (known[name].kind == kinds.EMBEDDING or _is_pickle(known[name])):
            raise ModelUnusable(
                f"The prompt names the embedding {name!r}, which cannot be used: {known[name].problem}. "
                "Rename or remove the file, and the word is read as it stands.",
                metadata={"model": name, "path": str(known[name].path)},
            )
    return [EmbeddingSource(name=name, path=str(known[name].path)) for name in sorted(named)]


def _prompts(spec: JobSpec) -> Iterable[str]:
    theirs = [text for region in spec.regions for text in (region.prompt, region.negative_prompt)]
    return (spec.prompt, spec.negative_prompt, *theirs)


def _fits(found: FoundModel, model: FoundModel) -> bool:
    # A folder of that name holds embeddings, also those of models that no rule knows.
    kept = found.kind == kinds.UNKNOWN and found.path.parent.name.lower() == FOLDER
    if found.kind != kinds.EMBEDDING and not kept:
        return False
    return found.told in ("", kinds.UNKNOWN) or (model.family is not None and found.told == model.family.name)


def _word(found: FoundModel) -> str:
    return found.name.rpartition(":")[2].rpartition("/")[2]


def _is_pickle(found: FoundModel) -> bool:
    return found.path.suffix.lower() in PICKLES
