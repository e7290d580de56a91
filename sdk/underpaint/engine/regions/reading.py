"""The regions of jobs of one bucket in one step of a U-Net: their texts, and what is made of its answers.

Text that reaches a U-Net in cross-attention only is told place by place. Text that works on every cell at
once (pooled into the time embedding) cannot be: there the U-Net is asked once for each prompt, and its
predictions are averaged by place, as in MultiDiffusion (Bar-Tal et al. 2023). For the device's one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import torch

from underpaint.engine.diffusion.job import DiffusionTask
from underpaint.engine.diffusion.text import TextEncoding, TextReader
from underpaint.engine.loras.plan import PlannedLora
from underpaint.engine.pixels.color import Floats
from underpaint.engine.regions.attention import Asked, attending

Texts = tuple[TextEncoding, TextEncoding | None, tuple[TextEncoding, ...], tuple[TextEncoding, ...]]
"""Of the prompt, the negative prompt, the regions' prompts, and their negative prompts if one has its own."""


def read_all(
    job: DiffusionTask,
    text: TextReader,
    read: Callable[[str, str, tuple[PlannedLora, ...]], tuple[TextEncoding, TextEncoding | None]],
    *,
    apart: bool,
) -> Texts:
    """All texts of a job; `read` reads a prompt and a negative prompt together, with LoRAs of a region.

    `apart`: the U-Net is asked once for each prompt, so that all texts must have one length. Otherwise a
    pooled text, which counts everywhere, becomes the mean of all prompts' by area.
    """
    plan, resolved = job.regions, job.resolved
    prompt, negative = read(resolved.prompt, resolved.negative_prompt, ())
    if plan is None:
        return prompt, negative, (), ()
    pairs = [read(*one) for one in zip(plan.prompts, plan.negatives, plan.loras, strict=True)]
    prompts = [prompt, *(one for one, _ in pairs)]
    negatives = [] if negative is None else [negative]
    if plan.own_negatives:
        negatives += [other for _, other in pairs if other is not None]
    if apart:
        filled = text.filled([*prompts, *negatives])
        prompts, negatives = filled[: len(prompts)], filled[len(prompts) :]
    else:
        prompts, negatives = (_pooled_together(texts, plan.areas) for texts in (prompts, negatives))
    return prompts[0], next(iter(negatives), None), tuple(prompts[1:]), tuple(negatives[1:])


def _pooled_together(texts: list[TextEncoding], areas: Floats) -> list[TextEncoding]:
    """Texts whose first one has what all of them pooled, by area; one alone stays as it is."""
    pooled = [one.pooled for one in texts if one.pooled is not None]
    if len(texts) < 2 or not pooled:
        return texts
    by_area = torch.from_numpy(areas).to(pooled[0])
    whole = (torch.cat(pooled) * by_area[:, None]).sum(dim=0, keepdim=True)
    return [replace(texts[0], pooled=whole), *texts[1:]]


def told_by_place(unet: Any, jobs: Sequence[DiffusionTask], asked: Asked) -> AbstractContextManager[None]:
    """Around a call of the U-Net: cross-attention reads the regions' texts where they count."""
    if jobs[0].regions is None:
        return nullcontext()
    texts = [_rows(one) for one in zip(*(job.regional for job in jobs), strict=True)]
    shares = torch.stack([shares_of(job) for job in jobs]).to(texts[0].device)
    others = [_rows(one) for one in zip(*(job.regional_negatives for job in jobs), strict=True)]
    if not others:
        return attending(unet, texts, shares, len(jobs) if jobs[0].guided else 0, asked)
    both = [torch.cat(pair) for pair in zip(others, texts, strict=True)]
    return attending(unet, both, torch.cat([shares, shares]), 0, asked)


def rows_apart(jobs: Sequence[DiffusionTask]) -> list[TextEncoding]:
    """The texts of a U-Net that is asked once for each: first what to avoid, where there is guidance.

    Of both kinds the picture's own comes first, for all jobs, then the regions', each for all jobs.
    """
    without = [text for job in jobs if (text := job.reading[1]) is not None] if jobs[0].guided else []
    told = [text for job in jobs if (text := job.reading[0]) is not None]
    for texts, theirs in (
        (without, [job.regional_negatives for job in jobs]),
        (told, [job.regional for job in jobs]),
    ):
        texts += [text for one in zip(*theirs, strict=True) for text in one]
    return without + told


def mixed(jobs: Sequence[DiffusionTask], predictions: torch.Tensor) -> torch.Tensor:
    """What was predicted for each prompt apart, averaged by place: one row for prompt and regions of a job.

    `predictions` `(n, c, h, w)`: a row for each of `rows_apart`. What remains is one for each job without
    the prompts, if there is guidance, and one with them.
    """
    if jobs[0].regions is None:
        return predictions
    first = len(jobs) * (1 + len(jobs[0].regional_negatives)) if jobs[0].guided else 0
    return torch.cat([_averaged(jobs, rows) for rows in (predictions[:first], predictions[first:])])


def _averaged(jobs: Sequence[DiffusionTask], rows: torch.Tensor) -> torch.Tensor:
    """A row for each job from one for each text and job; rows of one text stay as they are."""
    if len(rows) <= len(jobs):
        return rows
    means = []
    for index, job in enumerate(jobs):
        shares = shares_of(job).to(rows.device)
        means.append((rows[index :: len(jobs)] * shares[:, None]).sum(dim=0, keepdim=True))
    return torch.cat(means)


def _rows(texts: Sequence[TextEncoding]) -> torch.Tensor:
    return torch.cat([one.hidden for one in texts])


def shares_of(job: DiffusionTask) -> torch.Tensor:
    """How far each prompt counts in each latent cell of the pass at hand, `(1 + regions, h, w)`."""
    assert job.regions is not None
    return torch.from_numpy(job.regions.shares[job.current.size])
