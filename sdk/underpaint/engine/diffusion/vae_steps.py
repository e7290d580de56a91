"""A job's pictures into latents and back, a tile a step where they do not fit in one piece."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from underpaint.engine.diffusion.job import DiffusionTask, Pass, second_pass
from underpaint.engine.diffusion.parts import Parts
from underpaint.engine.diffusion.vae_tiles import TileRun, count_tiles, smaller
from underpaint.engine.pixels.color import Floats
from underpaint.types import StageKind


def plan_tiles(job: DiffusionTask, parts: Parts) -> None:
    """Chooses tiles for each pass by the memory that there is, and puts them into the plan. Any thread."""
    vae = parts.autoencoder
    for index, one in enumerate(job.passes):
        one.decode_edge = vae.edge_for(one.size, encoding=False)
        # Nothing is encoded where there is no stage for it.
        one.encode_edge = vae.edge_for(one.size, encoding=True)
        _replan(job, parts, index)
        edges = [one.decode_edge] + [one.encode_edge] * (_stage(job, index, StageKind.ENCODING_IMAGE) >= 0)
        if any(edges):
            _note(job, max(edges) * parts.factor)


def encode_next(job: DiffusionTask, parts: Parts) -> bool:
    """The next tile of what a pass starts from; whether that was the last one."""
    current, vae = job.current, parts.autoencoder
    if current.encoding is None:
        current.encoding = {
            name: TileRun(
                vae.pixels(_picture(current, name)),
                current.encode_edge,
                job.image.tiling,
                scale_in=parts.factor,
                scale_out=1,
            )
            for name in _to_encode(job, job.pass_index, parts)
        }
    runs = [run for run in current.encoding.values() if not run.finished]
    if runs:
        _, wrap = parts.vae
        runs[0].step(lambda tile, alone: vae.moments(tile, wrap, alone))
    return all(run.finished for run in current.encoding.values())


def decode_next(jobs: Sequence[DiffusionTask], parts: Parts) -> None:
    """The whole pictures of jobs in one bucket, or the next tile of one job's."""
    _, wrap = parts.vae
    vae, tiling = parts.autoencoder, jobs[0].image.tiling
    if not jobs[0].current.decode_edge:
        latents = torch.cat([job.current.latents for job in jobs if job.current.latents is not None])
        with wrap.around(tiling):
            pixels = vae.decode(latents)
        for job, picture in zip(jobs, pixels.permute(0, 2, 3, 1).cpu().numpy(), strict=True):
            _made(job, picture)
        return
    job = jobs[0]
    current = job.current
    assert current.latents is not None, "it has been denoised"
    if current.decoding is None:
        current.decoding = TileRun(
            current.latents, current.decode_edge, tiling, scale_in=1, scale_out=parts.factor
        )
    current.decoding.step(lambda tile, alone: vae.decode_tile(tile, wrap, alone))
    if current.decoding.finished:
        _made(job, current.decoding.result()[0].permute(1, 2, 0).numpy())


def shrink_tiles(job: DiffusionTask, parts: Parts) -> bool:
    """Smaller tiles for the stage at hand, from its beginning; False where there are none smaller."""
    kind = job.plan[job.stage_index].kind
    current = job.current
    longest = max(current.size.width, current.size.height) // parts.factor
    encoding = kind is StageKind.ENCODING_IMAGE
    if kind is not StageKind.DECODING and (not encoding or job.looking_at is not None):
        return False
    edge = smaller(current.encode_edge if encoding else current.decode_edge, longest)
    if edge is None:
        return False
    if encoding:
        current.encode_edge, current.encoding = edge, None
    else:
        current.decode_edge, current.decoding = edge, None
    _replan(job, parts, job.pass_index)
    job.stage_step = 0
    _note(job, edge * parts.factor)
    return True


def _made(job: DiffusionTask, picture: Floats) -> None:
    job.current.decoding = None
    job.made = picture
    if job.pass_index + 1 < len(job.passes):
        second_pass(job)


def _to_encode(job: DiffusionTask, index: int, parts: Parts) -> list[str]:
    """Names of the pictures that a pass encodes, in order; see `_picture`."""
    one, masked = job.passes[index], job.image.masks is not None
    # The second pass starts from what the first one made.
    starts = one.image is not None or index > 0
    found = ["reference"] * (one.reference is not None)
    unused = parts.inpaints and masked and one.strength >= 1.0 and not one.puts_back
    found += ["image"] * (starts and not unused)
    return found + ["masked"] * (starts and masked and parts.inpaints)


def _picture(current: Pass, name: str) -> Floats:
    picture = current.reference if name == "reference" else current.image
    assert picture is not None, "the pass has it"
    if name != "masked":
        return picture
    # A masked pixel is 0.0 between -1.0 and 1.0: grey.
    return (picture - 0.5) * (1.0 - current.hole[..., None]) + np.float32(0.5)


def _replan(job: DiffusionTask, parts: Parts, index: int) -> None:
    """Puts a pass's tiles into the plan."""
    one = job.passes[index]
    height, width = one.size.height // parts.factor, one.size.width // parts.factor
    tiling = job.image.tiling
    steps = {
        StageKind.ENCODING_IMAGE: len(_to_encode(job, index, parts))
        * count_tiles(height, width, one.encode_edge, tiling),
        StageKind.DECODING: count_tiles(height, width, one.decode_edge, tiling),
    }
    stages = list(job.plan)
    for kind, count in steps.items():
        place = _stage(job, index, kind)
        if place >= 0:
            stages[place] = replace(stages[place], steps=count)
    job.plan = tuple(stages)


def _stage(job: DiffusionTask, index: int, kind: StageKind) -> int:
    """Where in the plan a pass's stage of that kind is; -1 for nowhere."""
    denoising = [place for place, stage in enumerate(job.plan) if stage.kind is StageKind.DENOISING][index]
    place = denoising + (1 if kind is StageKind.DECODING else -1)
    return place if job.plan[place].kind is kind and not _is_of_references(job, place) else -1


def _is_of_references(job: DiffusionTask, place: int) -> bool:
    references = any(control.reference is not None for control in job.controls)
    return references and job.plan[place - 1].kind is StageKind.ENCODING_TEXT


def _note(job: DiffusionTask, pixels: int) -> None:
    note = (
        f"The picture went through the VAE in tiles of at most {pixels} px, blended where they meet: there "
        "is too little memory for it in one piece."
    )
    job.notes += [note] if note not in job.notes else []
