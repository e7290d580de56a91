"""What one job gives a denoiser to do in a step beside its picture: rows of regions, words, pictures."""

from __future__ import annotations

from dataclasses import dataclass

from underpaint.engine.diffusion.job import DiffusionTask
from underpaint.engine.diffusion.parts import Parts
from underpaint.engine.memory.estimates import TEXT_TOKENS
from underpaint.weights import kinds

CELLS_OF_A_TOKEN = 4
"""A transformer's token is two by two latent cells."""
READING_SHARE = 0.08
"""Of a U-Net's work, what it does to read one more text in its cross-attentions: a region's, told by place.

Counted multiplications of full-size networks: 3 % in Stable Diffusion 1.5, below 8 % in SDXL."""


@dataclass(frozen=True, slots=True)
class Extent:
    """For one job and step."""

    rows: int
    """Of the batch."""
    words: int = 0
    """Tokens that a transformer reads beside its pictures' in each row."""
    pictures: int = 1
    """Of the size of the result, in a transformer's sequence."""
    biased: bool = False
    """Whether a transformer is told which token reads which: a number for each two of them."""
    work: float = 1.0
    """How many times the work of the same picture without regions, references and pictures to look at."""

    def tokens(self, cells: int) -> int:
        """The length of a transformer's sequence for a picture of so many latent cells."""
        return self.pictures * cells // CELLS_OF_A_TOKEN + self.words


def extent_of(job: DiffusionTask, parts: Parts) -> Extent:
    """What counts in the job's present pass."""
    regions, guided = job.regions, int(job.guided)
    count = 0 if regions is None else len(regions.prompts)
    if parts.text_everywhere:
        own = guided if regions is not None and regions.own_negatives else 0
        rows = (1 + count) + guided + own * count
        return Extent(rows, work=rows / (1 + guided))
    if "block_out_channels" in parts.denoiser_config:
        return Extent(1 + guided, work=1.0 + READING_SHARE * count)
    references = [one for one in job.controls if one.kind == kinds.REDUX]
    words = TEXT_TOKENS * (1 + count) + kinds.REDUX_WORDS * len(references)
    # Without the prompts, or where a mask says so, some tokens do not read them.
    kept = any(one.masks is not None or job.guided for one in references)
    made = Extent(
        1 + guided,
        words,
        pictures=1 if job.current.reference is None else 2,
        biased=bool(count) or kept,
    )
    size = job.current.size
    cells = size.width * size.height // parts.factor**2
    plain = cells // CELLS_OF_A_TOKEN + TEXT_TOKENS
    return Extent(made.rows, made.words, made.pictures, made.biased, made.tokens(cells) / plain)
