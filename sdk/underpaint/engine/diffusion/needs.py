"""How much memory the next step of a job of latent diffusion computes with."""

from __future__ import annotations

from collections.abc import Sequence

from underpaint.engine.diffusion.comparing import ComparingTask
from underpaint.engine.diffusion.extent import extent_of
from underpaint.engine.diffusion.job import DiffusionTask
from underpaint.engine.diffusion.parts import Parts
from underpaint.engine.memory.estimates import TEXT_BYTES, Need, bias_bytes, denoiser_bytes
from underpaint.geometry import Size
from underpaint.types import StageKind


def step_needs(jobs: Sequence[DiffusionTask], parts: Parts, family: str) -> Need:
    """For jobs of one bucket; `family` names the estimate, so that what is measured corrects its own."""
    current, vae = jobs[0].current, parts.autoencoder
    match jobs[0].plan[jobs[0].stage_index].kind:
        case StageKind.ENCODING_TEXT:
            return Need(f"{family} text", TEXT_BYTES if parts.device != "cpu" else 0)
        case StageKind.DENOISING:
            return _denoising(jobs, parts, family)
        case StageKind.DECODING:
            return vae.need(_tile(current.size, current.decode_edge * vae.factor), len(jobs), encoding=False)
        case StageKind.ENCODING_IMAGE if isinstance(jobs[0], ComparingTask) and jobs[0].probe is not None:
            return _denoising([jobs[0].probe], parts, family)
        case StageKind.ENCODING_IMAGE if jobs[0].looking_at is None:
            return vae.need(_tile(current.size, current.encode_edge * vae.factor), 1, encoding=True)
        case _:
            return Need()


def _denoising(jobs: Sequence[DiffusionTask], parts: Parts, family: str) -> Need:
    size, width, extent = jobs[0].current.size, parts.dtype.itemsize, extent_of(jobs[0], parts)
    rows, cells = len(jobs) * extent.rows, size.width * size.height // parts.factor**2
    needed = denoiser_bytes(
        parts.denoiser_config, size, parts.factor, rows, width, words=extent.words, pictures=extent.pictures
    )
    if extent.biased:
        needed += bias_bytes(extent.tokens(cells), rows, width)
    return Need(f"{family} denoise", needed)


def _tile(size: Size, edge: int) -> Size:
    return Size(min(size.width, edge), min(size.height, edge)) if edge else size
