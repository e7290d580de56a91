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
from underpaint.types import StageKind, Tiling


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
            # One after another: together they would take more memory than was planned for.
            again = [None if origin is None else _rows(vae.decode(origin))[0] for origin in _origins(jobs)]
        for job, picture, lossy in zip(jobs, _rows(pixels), again, strict=True):
            _made(job, picture, lossy)
        return
    job = jobs[0]
    current = job.current
    assert current.latents is not None, "it has been denoised"
    if current.decoding is None:
        origin = _origins(jobs)[0]
        both = current.latents if origin is None else torch.cat([current.latents, origin], dim=1)
        current.decoding = TileRun(both, current.decode_edge, tiling, scale_in=1, scale_out=parts.factor)

    def decoded(tile: torch.Tensor, alone: Tiling) -> torch.Tensor:
        pictures = torch.chunk(tile, tile.shape[1] // vae.channels, dim=1)
        return torch.cat([vae.decode_tile(one, wrap, alone) for one in pictures], dim=1)

    current.decoding.step(decoded)
    if current.decoding.finished:
        rows = _rows(current.decoding.result())[0]
        _made(job, rows[..., :3], rows[..., 3:] if rows.shape[2] > 3 else None)


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


def _rows(pixels: torch.Tensor) -> Floats:
    """`(n, c, rows, columns)` as `(n, rows, columns, c)`."""
    return np.asarray(pixels.permute(0, 2, 3, 1).cpu().numpy(), np.float32)


def _origins(jobs: Sequence[DiffusionTask]) -> list[torch.Tensor | None]:
    """Latents of what each job's pass started from, where what the VAE loses of it is to come back."""
    return [job.current.image_latents if job.current.detail > 0.0 else None for job in jobs]


def _made(job: DiffusionTask, picture: Floats, lossy: Floats | None) -> None:
    """Goes on with a decoded picture; `lossy` is what encoding and decoding made of the pass's own."""
    current = job.current
    current.decoding = None
    if lossy is not None and current.image is not None:
        picture = np.clip(picture + current.detail * (current.image - lossy), 0.0, 1.0)
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
