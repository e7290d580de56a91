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
from underpaint.engine.regions.attention import attending

Texts = tuple[TextEncoding, TextEncoding | None, tuple[TextEncoding, ...]]
"""Of the prompt, the negative prompt and the regions' prompts."""


def read_all(
    job: DiffusionTask,
    text: TextReader,
    read: Callable[[str], tuple[TextEncoding, TextEncoding | None]],
    *,
    apart: bool,
) -> Texts:
    """All texts of a job; `read` gives prompt and negative prompt together for a prompt.

    `apart`: the U-Net is asked once for each prompt, so that all texts must have one length. Otherwise a
    pooled text, which counts everywhere, becomes the mean of all prompts' by area.
    """
    prompt, negative = read(job.resolved.prompt)
    if job.regions is None:
        return prompt, negative, ()
    regions = tuple(read(region)[0] for region in job.regions.prompts)
    if apart:
        prompt, *rest = text.filled([prompt, *regions, *([] if negative is None else [negative])])
        return prompt, None if negative is None else rest[-1], tuple(rest[: len(regions)])
    if prompt.pooled is not None:
        pooled = [one.pooled for one in (prompt, *regions) if one.pooled is not None]
        areas = torch.from_numpy(job.regions.areas).to(pooled[0])
        prompt = replace(prompt, pooled=(torch.cat(pooled) * areas[:, None]).sum(dim=0, keepdim=True))
    return prompt, negative, regions


def told_by_place(unet: Any, jobs: Sequence[DiffusionTask]) -> AbstractContextManager[None]:
    """Around a call of the U-Net: cross-attention reads the regions' texts where they count."""
    if jobs[0].regions is None:
        return nullcontext()
    texts = [
        torch.cat([one.hidden for one in texts])
        for texts in zip(*(job.regional for job in jobs), strict=True)
    ]
    shares = torch.stack([shares_of(job) for job in jobs]).to(texts[0].device)
    return attending(unet, texts, shares, len(jobs) if jobs[0].guided else 0)


def mixed(jobs: Sequence[DiffusionTask], predictions: torch.Tensor) -> torch.Tensor:
    """What was predicted for each prompt apart, averaged by place: one row for prompt and regions of a job.

    `predictions` `(n, c, h, w)`: for all jobs without the prompts, if there is guidance, with them, then with
    the regions'; the first two kinds remain.
    """
    if jobs[0].regions is None:
        return predictions
    first = len(jobs) if jobs[0].guided else 0
    means = []
    for index, job in enumerate(jobs):
        shares = shares_of(job).to(predictions.device)
        means.append((predictions[first + index :: len(jobs)] * shares[:, None]).sum(dim=0, keepdim=True))
    return torch.cat([predictions[:first], *means])


def shares_of(job: DiffusionTask) -> torch.Tensor:
    """How far each prompt counts in each latent cell of the pass at hand, `(1 + regions, h, w)`."""
    assert job.regions is not None
    return torch.from_numpy(job.regions.shares[job.current.size])
