"""How much memory the next step of a job of latent diffusion computes with."""

from __future__ import annotations

from collections.abc import Sequence

from underpaint.engine.diffusion.job import DiffusionTask
from underpaint.engine.diffusion.parts import Parts
from underpaint.engine.memory.estimates import TEXT_BYTES, Need, denoiser_bytes
from underpaint.geometry import Size
from underpaint.types import StageKind


def step_needs(jobs: Sequence[DiffusionTask], parts: Parts, family: str) -> Need:
    """For jobs of one bucket; `family` names the estimate, so that what is measured corrects its own."""
    current, vae = jobs[0].current, parts.autoencoder
    match jobs[0].plan[jobs[0].stage_index].kind:
        case StageKind.ENCODING_TEXT:
            return Need(f"{family} text", TEXT_BYTES if parts.device != "cpu" else 0)
        case StageKind.DENOISING:
            rows = len(jobs) * (2 if jobs[0].guided else 1)
            width = parts.dtype.itemsize
            config = parts.denoiser_config
            return Need(f"{family} denoise", denoiser_bytes(config, current.size, parts.factor, rows, width))
        case StageKind.DECODING:
            return vae.need(_tile(current.size, current.decode_edge * vae.factor), len(jobs), encoding=False)
        case StageKind.ENCODING_IMAGE if jobs[0].looking_at is None:
            return vae.need(_tile(current.size, current.encode_edge * vae.factor), 1, encoding=True)
        case _:
            return Need()


def _tile(size: Size, edge: int) -> Size:
    return Size(min(size.width, edge), min(size.height, edge)) if edge else size
