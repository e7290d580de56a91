"""FLUX.1 Redux at work: pictures to take after, as words behind those of the prompt.

As in the stock pipeline, the words of several pictures of one Redux are added up, each times its strength. A
picture with a mask has words of its own, which only its part of the picture reads, and no text.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional

from underpaint.engine.controls.plan import PlannedControl
from underpaint.engine.diffusion.job import DiffusionTask
from underpaint.engine.diffusion.rolling import PATCH, offset, rolled
from underpaint.engine.flux.parts import FluxParts
from underpaint.engine.flux.siglip import PictureReader
from underpaint.engine.regions.joint import shares_by_token
from underpaint.weights import kinds

Group = tuple[PlannedControl, ...]
"""References that share their words: those of one Redux without masks, or one with a mask."""


def groups_of(job: DiffusionTask) -> list[Group]:
    """The references that count in the next step. One of no strength is none."""
    shown = [one for one in job.steered_by if one.kind == kinds.REDUX and one.strength > 0.0]
    whole = [one for one in shown if one.masks is None]
    folders = dict.fromkeys(one.folder for one in whole)
    together = [tuple(one for one in whole if one.folder == folder) for folder in folders]
    return together + [(one,) for one in shown if one.masks is not None]


def apart(job: DiffusionTask) -> Hashable:
    """What jobs must share for one forward pass: how their words lie."""
    return tuple((group[0].folder, group[0].masks is None) for group in groups_of(job))


def with_pictures(
    jobs: Sequence[DiffusionTask], inputs: Mapping[str, Any], reader: PictureReader, parts: FluxParts
) -> dict[str, Any]:
    """The transformer's arguments for jobs of one bucket, with what references add to them.

    Rows without the prompts do not read a picture either.
    """
    found = [groups_of(job) for job in jobs]
    if not found[0]:
        return dict(inputs)
    hidden = inputs["encoder_hidden_states"]
    rows, before = len(hidden), hidden.shape[1]
    told = [[_words(group, reader) for group in groups] for groups in found]
    words = torch.cat([torch.cat(one, dim=1) for one in told]).to(hidden)
    hidden = torch.cat([hidden, words.repeat(rows // len(jobs), 1, 1)], dim=1)
    made = {
        **inputs,
        "encoder_hidden_states": hidden,
        "txt_ids": torch.zeros(hidden.shape[1], 3, device=hidden.device),
    }
    given = (inputs.get("joint_attention_kwargs") or {}).get("attention_mask")
    masked = any(one.masks is not None for group in found[0] for one in group)
    if given is None and not masked and rows == len(jobs):
        return made
    picture = len(inputs["img_ids"])
    reads = _widened(given, rows, before, words.shape[1], picture).to(hidden.device)
    for row in range(rows):
        job, start = jobs[row % len(jobs)], before
        for group, said in zip(found[row % len(jobs)], told[row % len(jobs)], strict=True):
            share = _share(group[0], job, parts)
            if row < rows - len(jobs):
                share = torch.zeros(1)
            if share is not None:
                _keep_to(reads[row, 0], slice(start, start + said.shape[1]), share, hidden.shape[1], picture)
            start += said.shape[1]
    return {**made, "joint_attention_kwargs": {"attention_mask": reads.to(hidden.dtype)}}


def _words(group: Group, reader: PictureReader) -> torch.Tensor:
    """The words of references that share them, each times its strength, `(1, words, width)`."""
    return torch.stack([one.strength * reader.words(one) for one in group]).sum(dim=0)


def _widened(given: torch.Tensor | None, rows: int, at: int, count: int, picture: int) -> torch.Tensor:
    """What attention adds to scores, `(rows, 1, n, n)`, with `count` words put in at `at`, read by all."""
    whole = at + count + picture
    made = torch.zeros((rows, 1, whole, whole))
    if given is not None:
        kept = torch.cat([torch.arange(at), torch.arange(at + count, whole)])
        made[:, :, kept[:, None], kept] = given.float().cpu()
    return made


def _keep_to(reads: torch.Tensor, own: slice, share: torch.Tensor, texts: int, picture: int) -> None:
    """Lets only the picture read some words, `share` of them by place, and these the picture likewise."""
    weight = share.to(reads.device).log()
    # Several pictures in one sequence (what Kontext looks at) lie on one another.
    weight = weight.repeat(picture // len(weight))
    reads[:texts, own] = float("-inf")
    reads[own, own] = 0.0
    reads[texts:, own] = weight[:, None]
    reads[own, texts:] = weight[None]


def _share(control: PlannedControl, job: DiffusionTask, parts: FluxParts) -> torch.Tensor | None:
    """How far a reference counts at each place of the picture's sequence, `(tokens,)`; None: everywhere."""
    if control.masks is None:
        return None
    size = job.current.size
    mask = torch.from_numpy(control.masks[size])[None, None]
    cells = functional.interpolate(
        mask, (size.height // parts.factor, size.width // parts.factor), mode="area"
    )
    return shares_by_token(rolled(cells, offset(job))[0], PATCH)[0]
