"""Our engine and the stock diffusers pipelines, side by side on the same files."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from PIL import Image

from underpaint.engine.diffusion.job import DiffusionTask
from underpaint.engine.diffusion.latent_family import LatentFamily
from underpaint.engine.families.flux import Flux
from underpaint.engine.families.sd15 import StableDiffusion15
from underpaint.engine.families.sdxl import StableDiffusionXL
from underpaint.engine.family import Assignment
from underpaint.engine.pixels import Raster
from underpaint.engine.residency import Shelf
from underpaint.types import MASK_FORMAT, Alpha, Channels, PixelFormat, StageKind
from underpaint.v1 import image_pb2, job_service_pb2
from underpaint.worker_v1 import worker_service_pb2

RGB = PixelFormat(channels=Channels.RGB, alpha=Alpha.NONE)

# Written out here once more: the engine's own table is what these tests check.
STOCK_SCHEDULERS: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "ddim": (diffusers.DDIMScheduler, {}),
    "euler": (diffusers.EulerDiscreteScheduler, {}),
    "euler-a": (diffusers.EulerAncestralDiscreteScheduler, {}),
    "dpmpp-2m": (diffusers.DPMSolverMultistepScheduler, {}),
    "dpmpp-2m-karras": (diffusers.DPMSolverMultistepScheduler, {"use_karras_sigmas": True}),
    "unipc": (diffusers.UniPCMultistepScheduler, {}),
    "heun": (diffusers.HeunDiscreteScheduler, {}),
    "lcm": (diffusers.LCMScheduler, {}),
    "dpmpp-sde-karras": (
        diffusers.DPMSolverMultistepScheduler,
        {"use_karras_sigmas": True, "algorithm_type": "sde-dpmsolver++"},
    ),
}
PIPELINES = {
    ("sd15", "txt2img"): diffusers.StableDiffusionPipeline,
    ("sd15", "img2img"): diffusers.StableDiffusionImg2ImgPipeline,
    ("sd15", "inpaint"): diffusers.StableDiffusionInpaintPipeline,
    ("sdxl", "txt2img"): diffusers.StableDiffusionXLPipeline,
    ("sdxl", "img2img"): diffusers.StableDiffusionXLImg2ImgPipeline,
    ("sdxl", "inpaint"): diffusers.StableDiffusionXLInpaintPipeline,
}
ENGINES: dict[str, type[LatentFamily]] = {
    "sd15": StableDiffusion15,
    "sdxl": StableDiffusionXL,
    "flux": Flux,
}


def family_of(folder: Path) -> str:
    """Which family a tiny model belongs to."""
    kind = json.loads((folder / "model_index.json").read_text())["_class_name"]
    return "flux" if "Flux" in kind else "sdxl" if "XL" in kind else "sd15"


def photo(width: int = 64, height: int = 64, seed: int = 0) -> np.ndarray:
    """A smooth coloured picture with some grain."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    waves = [np.sin(x / 9 + seed), np.cos(y / 7), np.sin((x + y) / 13 + seed)]
    grain = np.random.default_rng(seed).normal(0, 8, (height, width, 3))
    return np.clip(127 + 90 * np.stack(waves, axis=2) + grain, 0, 255).astype(np.uint8)


def disc(
    width: int = 64, height: int = 64, radius: float = 21.5, x: float = 30.0, y: float = 35.0
) -> np.ndarray:
    """A binary mask, not aligned to anything."""
    rows, columns = np.mgrid[0:height, 0:width]
    return (((columns - x) ** 2 + (rows - y) ** 2) < radius**2).astype(np.uint8) * 255


@dataclass(frozen=True)
class Case:
    """One picture, for either side."""

    operation: str
    scheduler: str = "ddim"
    prompt: str = "old brick wall"
    negative: str = "water"
    guidance: float = 5.0
    seed: int = 1
    steps: int = 4
    strength: float = 0.7
    mask: float = 21.5
    width: int = 64
    height: int = 64

    def but(self, **changes: Any) -> Case:
        """The same with something else."""
        return replace(self, **changes)

    def spec(self) -> job_service_pb2.JobSpec:
        """The request for our engine, whose mask stays as it is."""
        spec = job_service_pb2.JobSpec(
            prompt=self.prompt,
            negative_prompt=self.negative,
            seed=self.seed,
            steps=self.steps,
            guidance_scale=self.guidance,
            scheduler=self.scheduler,
        )
        image, mask = image_pb2.ImageRef(blob="blobs/image"), image_pb2.ImageRef(blob="blobs/mask")
        if self.operation == "txt2img":
            spec.text_to_image.width_px, spec.text_to_image.height_px = self.width, self.height
        elif self.operation == "img2img":
            spec.image_to_image.image.CopyFrom(image)
            spec.image_to_image.strength = self.strength
        elif self.operation == "edit":
            spec.edit_image.image.CopyFrom(image)
        else:
            spec.inpaint.image.CopyFrom(image)
            spec.inpaint.mask.CopyFrom(mask)
            spec.inpaint.strength = self.strength
            spec.inpaint.grow_px = spec.inpaint.feather_px = 0.0
        return spec

    def inputs(self) -> dict[str, Raster]:
        """Picture and mask."""
        size = (self.width, self.height)
        return {
            "blobs/image": Raster.over(photo(*size).tobytes(), RGB, *size),
            "blobs/mask": Raster.over(disc(*size, radius=self.mask).tobytes(), MASK_FORMAT, *size),
        }


class Ours:
    """The engine on one model, without a loop."""

    def __init__(
        self, folder: Path, dtype: str = "float32", engine: type[LatentFamily] | None = None
    ) -> None:
        source = worker_service_pb2.ModelSource(name=folder.name, path=str(folder))
        self.family = (engine or ENGINES[family_of(folder)])(source, Shelf(), "cpu", dtype)

    def prepare(self, case: Case, job: str = "jobs/1") -> DiffusionTask:
        """Plans a case."""
        return self.family.prepare(Assignment(job, case.spec(), case.inputs()))

    def run(self, case: Case) -> DiffusionTask:
        """Runs a case alone."""
        task = self.prepare(case)
        while not task.ready_to_finish:
            self.family.step([task])
        return task

    def latents(self, case: Case) -> torch.Tensor:
        """The last latents of a case."""
        latents = self.run(case).current.latents
        assert latents is not None
        return latents

    def together(self, cases: list[Case]) -> list[torch.Tensor]:
        """The last latents of cases that share their forward passes: quicker, equal within 5e-5."""
        tasks = [self.prepare(case, f"jobs/{index}") for index, case in enumerate(cases)]
        while waiting := [task for task in tasks if not task.ready_to_finish]:
            early = [task for task in waiting if task.plan[task.stage_index].kind is not StageKind.DENOISING]
            bucket = self.family.bucket((early or waiting)[0])
            self.family.step([task for task in waiting if self.family.bucket(task) == bucket])
        return [task.current.latents for task in tasks if task.current.latents is not None]


class Stock:
    """diffusers' own pipeline for one model and operation."""

    def __init__(self, folder: Path, operation: str) -> None:
        family = family_of(folder)
        # No watermark, should the package for it be installed.
        more = {"add_watermarker": False} if family == "sdxl" else {}
        self.pipeline = PIPELINES[family, operation].from_pretrained(folder, **more)
        self.pipeline.set_progress_bar_config(disable=True)
        self._config = self.pipeline.scheduler.config
        self.operation = operation

    def both(self, case: Case) -> tuple[torch.Tensor, np.ndarray]:
        """The last latents and the picture, u8."""
        kind, overrides = STOCK_SCHEDULERS[case.scheduler]
        self.pipeline.scheduler = kind.from_config(self._config, **overrides)
        size = (case.width, case.height)
        more: dict[str, Any] = {}
        if self.operation != "txt2img":
            more = {"image": Image.fromarray(photo(*size)), "strength": case.strength}
        if self.operation == "inpaint":
            more["mask_image"] = Image.fromarray(disc(*size, radius=case.mask))
        if self.operation != "img2img":
            more |= {"width": case.width, "height": case.height}
        seen: list[torch.Tensor] = []

        def keep(_pipeline: Any, _step: int, _time: Any, values: dict[str, Any]) -> dict[str, Any]:
            seen.append(values["latents"])
            return {}

        pictures = self.pipeline(
            case.prompt,
            negative_prompt=case.negative or None,
            num_inference_steps=case.steps,
            guidance_scale=case.guidance,
            generator=torch.Generator().manual_seed(case.seed),
            callback_on_step_end=keep,
            **more,
        ).images
        return seen[-1], np.asarray(pictures[0])


def distance(ours: torch.Tensor, reference: torch.Tensor) -> float:
    """max|Δ| relative to max(1, max|reference|): tiny random U-Nets reach magnitudes of hundreds."""
    return float((ours - reference).abs().max() / max(1.0, float(reference.abs().max())))
