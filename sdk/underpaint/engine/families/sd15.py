"""Stable Diffusion 1.5 and its kin, from diffusers' components, driven step by step.

Epsilon and v-prediction, four input channels (inpainting by blending latents) and nine (native inpainting),
`AutoencoderKL` and `AutoencoderTiny`, pooled text, distilled models with embedded guidance. With the same
seed the latents are those of the stock pipelines.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import cast

import torch

from underpaint.engine.families.sd15_denoise import begin, blend, denoiser_inputs
from underpaint.engine.families.sd15_job import Sd15Task, prepare_task, second_pass
from underpaint.engine.families.sd15_parts import Parts
from underpaint.engine.families.sd15_plugin import TRAITS_FILE, recognise
from underpaint.engine.families.vocabulary import Vocabulary
from underpaint.engine.family import Assignment, Picture, Task
from underpaint.engine.finish import finish_picture
from underpaint.engine.provenance import file_sha256
from underpaint.engine.residency import Shelf
from underpaint.errors import ModelUnusable
from underpaint.types import Preview, StageKind
from underpaint.worker_v1 import worker_service_pb2

MAX_BATCH = 16
"""Jobs in one forward pass, at most."""
CPU_CELLS = 8 * 32 * 32
"""Latent cells in one forward pass on a CPU: with more, batching gains nothing there."""
GPU_CELLS = 16 * 64 * 64
"""Latent cells in one forward pass on a GPU."""


class StableDiffusion15:
    """One model of the family (see `underpaint.engine.family.Family`)."""

    def __init__(self, source: worker_service_pb2.ModelSource, shelf: Shelf, device: str, dtype: str) -> None:
        folder = Path(source.path)
        traits = recognise(folder, _object(folder, folder / "model_index.json"))
        if traits is None:
            raise _unusable(folder, "it is no Stable Diffusion 1.5 pipeline")
        self.name = source.name or folder.name
        self._traits = traits
        given = {name: Path(path) for name, path in source.components.items()}
        self._parts = Parts({**traits.components, **given}, self.name, shelf, device, dtype)
        extra = folder / TRAITS_FILE
        self._vocabulary = _vocabulary(_object(folder, extra)) if extra.is_file() else None
        self._guidance_width = self._parts.unet_config.get("time_cond_proj_dim")

    def prepare(self, assignment: Assignment) -> Sd15Task:
        """Checks and plans a job; see `Family.prepare`."""
        task = prepare_task(
            assignment,
            self._traits,
            self.name,
            self._parts.scheduler_config,
            guidance_embedded=self._guidance_width is not None,
            missing_components=len(self._parts.missing()),
        )
        if self._vocabulary is not None:
            task.notes += self._vocabulary.read(task.resolved.prompt).notes(self.name)
        return task

    def bucket(self, task: Task) -> Hashable:
        """What two tasks must share for one step together; see `Family.bucket`."""
        job = cast(Sd15Task, task)
        kind = job.plan[job.stage_index].kind
        if kind is StageKind.LOADING:
            return (kind, self.name)
        if kind is StageKind.DENOISING:
            tokens = job.text.shape[1] if job.text is not None else 0
            return (kind, self.name, job.current.size, job.guided, tokens, job.image.tiling)
        if kind is StageKind.DECODING:
            return (kind, self.name, job.current.size, job.image.tiling)
        return (kind, self.name, job.job)

    def batch_limit(self, task: Task) -> int:
        """Small latents leave a device idle, large ones do not; see `Family.batch_limit`."""
        size = cast(Sd15Task, task).current.size
        cells = size.width * size.height // self._parts.factor**2
        return max(1, min(MAX_BATCH, (CPU_CELLS if self._parts.device == "cpu" else GPU_CELLS) // cells))

    @torch.inference_mode()
    def step(self, tasks: Sequence[Task]) -> None:
        """The next step of tasks in one bucket; see `Family.step`."""
        jobs = [cast(Sd15Task, task) for task in tasks]
        match jobs[0].plan[jobs[0].stage_index].kind:
            case StageKind.LOADING:
                self._load_next(jobs)
            case StageKind.ENCODING_TEXT:
                self._encode_text(jobs[0])
            case StageKind.ENCODING_IMAGE:
                begin(jobs[0], self._parts)
            case StageKind.DENOISING:
                self._denoise(jobs)
            case StageKind.DECODING:
                self._decode(jobs)
            case StageKind.POST_PROCESSING:
                raise AssertionError("finish() does this stage")
        for job in jobs:
            job.advance()

    @torch.inference_mode()
    def preview(self, task: Task) -> Preview | None:
        """A rough picture of where the job is; see `Family.preview`."""
        job = cast(Sd15Task, task)
        current = job.current
        latents = current.latents if current.sampler.predicted is None else current.sampler.predicted
        if latents is None:
            return None
        return self._parts.projection().render(latents, current.sampler.done, self._parts.factor)

    def finish(self, task: Task) -> Sequence[Picture]:
        """Compositing and conversion; see `Family.finish`."""
        job = cast(Sd15Task, task)
        if job.made is None:
            raise AssertionError("the last pass has been decoded")
        return [finish_picture(job.image, job.made)]

    def weights(self) -> Mapping[str, str]:
        """Content hashes of the weight files."""
        return {name: file_sha256(path) for name, path in self._parts.weights().items()}

    @torch.inference_mode()
    def load(self) -> None:
        """Brings every component into memory."""
        self._parts.claim()

    @property
    def loaded(self) -> bool:
        """Whether every component is in memory."""
        return not self._parts.missing()

    def _load_next(self, jobs: list[Sd15Task]) -> None:
        missing = self._parts.missing()
        if missing:
            self._parts.load(missing[0])
        if len(missing) <= 1:
            self._parts.claim()
            for job in jobs:
                job.stage_step = job.plan[job.stage_index].steps - 1

    def _encode_text(self, job: Sd15Task) -> None:
        job.text, dropped = self._parts.embed(self._told(job.resolved.prompt))
        if dropped:
            job.notes.append(f"The prompt is too long for this model; it did not read: {dropped!r}.")
        if job.guided:
            job.negative, _ = self._parts.embed(self._told(job.resolved.negative_prompt))

    def _told(self, prompt: str) -> str:
        return prompt if self._vocabulary is None else self._vocabulary.read(prompt).prompt

    def _denoise(self, jobs: list[Sd15Task]) -> None:
        for job in jobs:
            if job.current.latents is None:
                begin(job, self._parts)
        unet, wrap = self._parts.unet
        inputs = denoiser_inputs(jobs, self._parts, self._guidance_width)
        with wrap.around(jobs[0].image.tiling):
            output = unet(**inputs, return_dict=False)[0].float()
        for index, job in enumerate(jobs):
            job.denoiser_calls += 1
            predicted = output[index : index + 1]
            if job.guided:
                with_prompt = output[len(jobs) + index : len(jobs) + index + 1]
                predicted = predicted + job.resolved.guidance_scale * (with_prompt - predicted)
            current = job.current
            assert current.latents is not None
            current.latents = current.sampler.step(predicted, current.latents)
            blend(current)

    def _decode(self, jobs: list[Sd15Task]) -> None:
        latents = torch.cat([job.current.latents for job in jobs if job.current.latents is not None])
        _, wrap = self._parts.vae
        with wrap.around(jobs[0].image.tiling):
            pixels = self._parts.decode(latents)
        for job, picture in zip(jobs, pixels.permute(0, 2, 3, 1).cpu().numpy(), strict=True):
            job.made = picture
            if job.pass_index + 1 < len(job.passes):
                second_pass(job)


def _vocabulary(facts: Mapping[str, object]) -> Vocabulary | None:
    known, near = facts.get("vocabulary"), facts.get("near_words")
    table = {str(key): str(put) for key, put in near.items()} if isinstance(near, dict) else None
    return Vocabulary(known, table) if known else None


def _object(folder: Path, path: Path) -> Mapping[str, object]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _unusable(folder, f"{path.name} cannot be read ({error})") from error
    if not isinstance(content, dict):
        raise _unusable(folder, f"{path.name} holds no object")
    return content


def _unusable(folder: Path, why: str) -> ModelUnusable:
    return ModelUnusable(
        f"The model {folder.name!r} cannot be used: {why}.",
        metadata={"model": folder.name, "path": str(folder)},
    )
