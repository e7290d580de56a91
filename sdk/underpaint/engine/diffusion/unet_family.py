"""What families with a U-Net have in common: everything but recognition, text and extra conditions.

Epsilon and v-prediction, as many input channels as latents have (inpainting by blending latents) or twice as
many and one (native inpainting), distilled models with embedded guidance. With the same seed the latents are
those of the stock pipelines.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch

from underpaint.engine.controls.nets import ControlNets
from underpaint.engine.diffusion.components import Components
from underpaint.engine.diffusion.denoise import denoise
from underpaint.engine.diffusion.job import DiffusionTask, prepare_task, second_pass
from underpaint.engine.diffusion.latents import begin
from underpaint.engine.diffusion.parts import Parts
from underpaint.engine.diffusion.text import TextEncoders, TextEncoding
from underpaint.engine.families.folder import TRAITS_FILE, read_object, unusable
from underpaint.engine.families.single_file import sidecar
from underpaint.engine.families.vocabulary import Vocabulary
from underpaint.engine.family import Assignment, Picture, Task
from underpaint.engine.finish import finish_picture
from underpaint.engine.prompts import parse, plain
from underpaint.engine.provenance import file_sha256
from underpaint.engine.residency import Shelf
from underpaint.hookspecs import ModelTraits
from underpaint.types import Preview, StageKind
from underpaint.worker_v1 import worker_service_pb2

MAX_BATCH = 16
"""Jobs in one forward pass, at most."""
CPU_CELLS = 8 * 32 * 32
"""Latent cells in one forward pass on a CPU: with more, batching gains nothing there."""
GPU_CELLS = 16 * 64 * 64
"""Latent cells in one forward pass on a GPU."""


class UNetFamily(ABC):
    """One model of such a family (see `underpaint.engine.family.Family`)."""

    def __init__(self, source: worker_service_pb2.ModelSource, shelf: Shelf, device: str, dtype: str) -> None:
        folder = Path(source.path)
        given = {name: Path(path) for name, path in source.components.items()}
        self._index = {} if folder.is_file() else read_object(folder, folder / "model_index.json")
        if folder.is_file():
            traits: ModelTraits | None = self._recognise_file(folder, given)
        else:
            traits = self._recognise(folder, self._index)
        if traits is None:
            raise unusable(folder, f"it is none that {type(self).__name__} runs")
        self.name = source.name or folder.name
        self._traits = traits
        components = Components({**traits.components, **given}, self.name, shelf, device, dtype)
        self._parts = Parts(components, self._text_encoders(components))
        self._controls = ControlNets(shelf, self.name, device, components.dtype)
        extra = sidecar(folder) if folder.is_file() else folder / TRAITS_FILE
        self._vocabulary = _vocabulary(read_object(folder, extra)) if extra.is_file() else None
        if self._vocabulary is not None:
            # Few words fit into one chunk, and such a model was trained with no more.
            self._parts.text.max_chunks = 1

    @abstractmethod
    def _recognise(self, folder: Path, model_index: Mapping[str, Any]) -> ModelTraits | None:
        """The traits of a model, None for another family's. Raises `ModelUnusable`."""

    def _recognise_file(self, path: Path, components: Mapping[str, Path]) -> ModelTraits:
        """The traits of a checkpoint in one file. Raises `ModelUnusable`."""
        raise unusable(path, f"{type(self).__name__} runs folders only, no single files")

    @abstractmethod
    def _text_encoders(self, components: Components) -> TextEncoders:
        """This model's text encoders."""

    def _conditions(self, jobs: Sequence[DiffusionTask]) -> Mapping[str, torch.Tensor]:
        """What the U-Net takes beside text, see `underpaint.engine.diffusion.denoise.Conditions`."""
        return {}

    @property
    def _refiner(self) -> Parts | None:
        """The networks that go on where this model's leave off, if there are any."""
        return None

    @property
    def _refiner_from(self) -> float:
        """The share of the noise schedule behind which they do."""
        return 1.0

    def _steering(self, jobs: Sequence[DiffusionTask], inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """What controls add, see `underpaint.engine.diffusion.denoise.Steering`."""
        controls = [job.steered_by for job in jobs]
        return self._controls.residuals(controls, jobs[0].current.size, inputs, jobs[0].image.tiling)

    def prepare(self, assignment: Assignment) -> DiffusionTask:
        """Checks and plans a job; see `Family.prepare`."""
        task = prepare_task(
            assignment,
            self._traits,
            self.name,
            self._parts.scheduler_config,
            guidance_embedded=self._parts.guidance_width is not None,
            missing=lambda controls: len(self._missing()) + len(self._controls.missing(controls)),
            refiner_from=self._refiner_from,
        )
        if self._vocabulary is not None:
            task.notes += self._vocabulary.read(plain(task.resolved.prompt)).notes(self.name)
            if any(span.weight != 1.0 for span in parse(task.resolved.prompt)):
                task.notes.append(f"The model {self.name!r} reads plain words; weights count for nothing.")
        return task

    def bucket(self, task: Task) -> Hashable:
        """What two tasks must share for one step together; see `Family.bucket`."""
        job = cast(DiffusionTask, task)
        kind = job.plan[job.stage_index].kind
        if kind is StageKind.LOADING:
            return (kind, self.name, *sorted({control.folder for control in job.controls}))
        if kind is StageKind.DENOISING:
            text, _ = job.reading
            tokens = text.hidden.shape[1] if text is not None else 0
            who = (self.name, job.current.refined)
            nets = tuple(control.folder for control in job.steered_by)
            return (kind, who, job.current.size, job.guided, tokens, job.image.tiling, nets)
        if kind is StageKind.DECODING:
            return (kind, self.name, job.current.size, job.image.tiling)
        return (kind, self.name, job.job)

    def batch_limit(self, task: Task) -> int:
        """Small latents leave a device idle, large ones do not; see `Family.batch_limit`."""
        size = cast(DiffusionTask, task).current.size
        cells = size.width * size.height // self._parts.factor**2
        return max(1, min(MAX_BATCH, (CPU_CELLS if self._parts.device == "cpu" else GPU_CELLS) // cells))

    @torch.inference_mode()
    def step(self, tasks: Sequence[Task]) -> None:
        """The next step of tasks in one bucket; see `Family.step`."""
        jobs = [cast(DiffusionTask, task) for task in tasks]
        match jobs[0].plan[jobs[0].stage_index].kind:
            case StageKind.LOADING:
                self._load_next(jobs)
            case StageKind.ENCODING_TEXT:
                self._encode_text(jobs[0])
            case StageKind.ENCODING_IMAGE:
                begin(jobs[0], self._parts)
            case StageKind.DENOISING:
                refiner = self._refiner if jobs[0].current.refined else None
                denoise(jobs, refiner or self._parts, self._conditions, self._steering)
            case StageKind.DECODING:
                self._decode(jobs)
            case StageKind.POST_PROCESSING:
                raise AssertionError("finish() does this stage")
        for job in jobs:
            job.advance()

    @torch.inference_mode()
    def preview(self, task: Task) -> Preview | None:
        """A rough picture of where the job is; see `Family.preview`."""
        job = cast(DiffusionTask, task)
        current = job.current
        latents = current.latents if current.sampler.predicted is None else current.sampler.predicted
        if latents is None:
            return None
        autoencoder = self._parts.autoencoder
        done = current.done_before + current.sampler.done
        return autoencoder.projection().render(latents, done, autoencoder.factor)

    def finish(self, task: Task) -> Sequence[Picture]:
        """Compositing and conversion; see `Family.finish`."""
        job = cast(DiffusionTask, task)
        if job.made is None:
            raise AssertionError("the last pass has been decoded")
        return [finish_picture(job.image, job.made)]

    def weights(self) -> Mapping[str, str]:
        """Content hashes of the weight files."""
        files = self._parts.weights()
        if self._refiner is not None:
            files |= {f"refiner/{name}": path for name, path in self._refiner.weights().items()}
        return {name: file_sha256(path) for name, path in files.items()}

    @torch.inference_mode()
    def load(self) -> None:
        """Brings every component into memory."""
        for parts in self._all_parts():
            parts.claim()

    @property
    def loaded(self) -> bool:
        """Whether every component is in memory."""
        return not self._missing()

    def _all_parts(self) -> list[Parts]:
        return [self._parts] if self._refiner is None else [self._parts, self._refiner]

    def _missing(self) -> list[tuple[Parts, str]]:
        return [(parts, name) for parts in self._all_parts() for name in parts.missing()]

    def _load_next(self, jobs: list[DiffusionTask]) -> None:
        missing, nets = self._missing(), self._controls.missing(jobs[0].controls)
        if missing:
            parts, component = missing[0]
            parts.load(component)
        elif nets:
            self._controls.load(nets[0])
        if len(missing) + len(nets) <= 1:
            self.load()
            for control in jobs[0].controls:
                self._controls.load(control.folder)
            for job in jobs:
                job.stage_step = job.plan[job.stage_index].steps - 1

    def _encode_text(self, job: DiffusionTask) -> None:
        job.text, job.negative = self._read(self._parts, job)
        if self._refiner is not None:
            job.refiner_text, job.refiner_negative = self._read(self._refiner, job)
        if job.text.dropped:
            job.notes.append(f"The prompt is too long for this model; it did not read: {job.text.dropped!r}.")

    def _read(self, parts: Parts, job: DiffusionTask) -> tuple[TextEncoding, TextEncoding | None]:
        prompt = self._told(job.resolved.prompt)
        if not job.guided:
            return parts.text.encode(prompt), None
        return parts.text.encode_both(prompt, self._told(job.resolved.negative_prompt))

    def _told(self, prompt: str) -> str:
        return prompt if self._vocabulary is None else self._vocabulary.read(plain(prompt)).prompt

    def _decode(self, jobs: list[DiffusionTask]) -> None:
        latents = torch.cat([job.current.latents for job in jobs if job.current.latents is not None])
        _, wrap = self._parts.vae
        with wrap.around(jobs[0].image.tiling):
            pixels = self._parts.autoencoder.decode(latents)
        for job, picture in zip(jobs, pixels.permute(0, 2, 3, 1).cpu().numpy(), strict=True):
            job.made = picture
            if job.pass_index + 1 < len(job.passes):
                second_pass(job)


def _vocabulary(facts: Mapping[str, object]) -> Vocabulary | None:
    known, near = facts.get("vocabulary"), facts.get("near_words")
    table = {str(key): str(put) for key, put in near.items()} if isinstance(near, dict) else None
    return Vocabulary(known, table) if known else None
