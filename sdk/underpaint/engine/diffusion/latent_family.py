"""What families of latent diffusion have in common, whatever their denoiser: stages, buckets, memory, text.

Between two steps a job's latents are `(1, channels, height, width)` in float32; how a denoiser wants them is
its family's business. With the same seed they are those of the stock pipelines.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch

from underpaint.engine.controls.plan import PlannedControl
from underpaint.engine.diffusion.components import Components
from underpaint.engine.diffusion.extent import extent_of
from underpaint.engine.diffusion.job import DiffusionTask, prepare_task
from underpaint.engine.diffusion.latent_tools import (
    LatentsTask,
    before_step,
    begin_latents,
    pictures_of,
    plan_latents,
    show_next,
)
from underpaint.engine.diffusion.latents import begin
from underpaint.engine.diffusion.needs import step_needs
from underpaint.engine.diffusion.pace import MoreToRead
from underpaint.engine.diffusion.parts import Parts
from underpaint.engine.diffusion.previews import Previews
from underpaint.engine.diffusion.text import TextEncoding, TextReader
from underpaint.engine.diffusion.vae_steps import decode_next, encode_next, plan_tiles, shrink_tiles
from underpaint.engine.embeddings import knowing, plan_embeddings
from underpaint.engine.families.folder import TRAITS_FILE, read_object, unusable
from underpaint.engine.families.single_file import index_of, sidecar
from underpaint.engine.families.vocabulary import Vocabulary
from underpaint.engine.family import Assignment, Picture, Task
from underpaint.engine.finish import finish_picture
from underpaint.engine.loras.plan import PlannedLora
from underpaint.engine.loras.worn import Loras
from underpaint.engine.memory.estimates import Need
from underpaint.engine.prompts import parse, plain
from underpaint.engine.provenance import file_sha256
from underpaint.engine.regions.reading import Texts, read_all
from underpaint.engine.residency import Shelf
from underpaint.engine.schedulers import Sampler
from underpaint.geometry import Size
from underpaint.hookspecs import ModelTraits
from underpaint.types import Preview, StageKind
from underpaint.v1 import job_service_pb2
from underpaint.worker_v1 import worker_service_pb2

MAX_BATCH = 16
"""Jobs in one forward pass, at most."""
CPU_CELLS = 8 * 32 * 32
"""Latent cells in one forward pass on a CPU: with more, batching gains nothing there."""
GPU_CELLS = 16 * 64 * 64
"""Latent cells in one forward pass on a GPU."""


class LatentFamily(ABC):
    """One model of such a family (see `underpaint.engine.family.Family`).

    A family says which models are its own (`_recognise`), which networks they have (`_make_parts`), which
    timesteps a job goes through (`_sampler`) and what one step of its denoiser is (`_denoise`). The other
    methods with one underscore are there to be extended, too; all keep their meaning between releases as
    public names do.
    """

    def __init__(self, source: worker_service_pb2.ModelSource, shelf: Shelf, device: str, dtype: str) -> None:
        folder = Path(source.path)
        given = {name: Path(path) for name, path in source.components.items()}
        self._index = index_of(folder, given)
        if folder.is_file():
            traits: ModelTraits | None = self._recognise_file(folder, given)
        else:
            traits = self._recognise(folder, self._index)
        if traits is None:
            raise unusable(folder, f"it is none that {type(self).__name__} runs")
        self.name = source.name or folder.name
        self._traits = traits
        components = Components({**traits.components, **given}, self.name, shelf, device, dtype)
        self._parts = self._make_parts(components)
        self._previews = Previews(components, self._parts.autoencoder)
        self._loras = Loras(shelf, self.name, self._parts)
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
    def _make_parts(self, components: Components) -> Parts:
        """This model's networks; reads configurations only."""

    @abstractmethod
    def _sampler(
        self,
        name: str,
        steps: int,
        generator: torch.Generator,
        size: Size,
        strength: float | None,
        part: tuple[float, float],
        parameters: Mapping[str, float],
    ) -> Sampler:
        """A job's way through its timesteps; see `underpaint.engine.diffusion.job.SamplerMaker`."""

    @abstractmethod
    def _denoise(self, jobs: Sequence[DiffusionTask]) -> None:
        """The next step of jobs in one bucket: one forward pass of the denoiser."""

    def _guided(self, spec: job_service_pb2.JobSpec) -> bool:
        """Whether the denoiser runs twice a step, with and without the prompt, for a resolved request."""
        return spec.guidance_scale > 1.0 and not self._parts.guidance_embedded

    @property
    def _refiner_from(self) -> float:
        """The share of the noise schedule behind which another model's networks take over; 1.0: none do."""
        return 1.0

    def _plan(self, assignment: Assignment) -> DiffusionTask:
        """A job with its passes. Any thread; raises what `prepare_task` does."""
        if assignment.spec.WhichOneof("operation") == "use_latents":
            return plan_latents(
                assignment,
                self._traits,
                self.name,
                self._parts,
                self._sampler,
                guided=self._guided,
                missing=len(self._missing(())),
            )
        return prepare_task(
            assignment,
            self._traits,
            self.name,
            self._sampler,
            guided=self._guided,
            missing=lambda controls: len(self._missing(controls)),
            cell=self._parts.factor,
            refiner_from=self._refiner_from,
        )

    def _apart(self, job: DiffusionTask) -> Hashable:
        """What else jobs must share for one forward pass of the denoiser; see `bucket`."""
        return None

    def _begin(self, job: DiffusionTask) -> None:
        """The first latents of a pass."""
        begin(job, self._parts)

    def _encode_on(self, job: DiffusionTask) -> None:
        """The next tile of what a pass starts from, and then its first latents."""
        if encode_next(job, self._parts):
            self._begin(job)

    def _look(self, control: PlannedControl) -> None:
        """Encodes a reference's picture, for families that take references."""
        raise AssertionError(f"{type(self).__name__} takes no references")

    def _missing(self, controls: Sequence[PlannedControl]) -> list[Callable[[], object]]:
        """What brings each network into memory that a job with these controls needs and that is not there."""
        return loads(self._parts)

    def _claim(self, job: DiffusionTask) -> None:
        """Brings what a job needs into memory; marks what another model loaded as used by this one, too."""
        self.load()
        for lora in job.every_lora:
            self._loras.load(lora)

    def _readers(self) -> tuple[TextReader, ...]:
        """Everything that reads prompts for this model."""
        return (self._parts.text,)

    def prepare(self, assignment: Assignment) -> DiffusionTask:
        """Checks and plans a job; see `Family.prepare`."""
        task = self._plan(assignment)
        task.embeddings = plan_embeddings(assignment)
        loading, reading, *others = task.plan
        more = len(self._loras.missing(task.every_lora))
        texts = 1 + task.guided + (task.regions.texts(guided=task.guided) if task.regions is not None else 0)
        passes = texts * sum(len(reader.components) for reader in self._readers())
        if reading.kind is StageKind.ENCODING_TEXT:
            reading = replace(reading, steps=passes)
        task.plan = (replace(loading, steps=loading.steps + more), reading, *others)
        if self._vocabulary is not None:
            prompts = (task.resolved.prompt, *(task.regions.prompts if task.regions is not None else ()))
            for prompt in dict.fromkeys(prompts):
                task.notes += self._vocabulary.read(plain(prompt)).notes(self.name)
            if any(span.weight != 1.0 for prompt in prompts for span in parse(prompt)):
                task.notes.append(f"The model {self.name!r} reads plain words; weights count for nothing.")
        if not isinstance(task, LatentsTask):
            plan_tiles(task, self._parts)
        return task

    def bucket(self, task: Task) -> Hashable:
        """What two tasks must share for one step together; see `Family.bucket`."""
        job = cast(DiffusionTask, task)
        kind = job.plan[job.stage_index].kind
        if kind is StageKind.LOADING:
            return (kind, self.name, *sorted({control.folder for control in job.controls}), job.every_lora)
        if kind is StageKind.DENOISING:
            text, _ = job.reading
            tokens = text.hidden.shape[1] if text is not None else 0
            who = (self.name, job.current.refined, self._apart(job))
            nets = (*(control.folder for control in job.steered_by), job.loras)
            lengths = tuple(text.hidden.shape[1] for text in job.regional)
            theirs = job.regions.loras if job.regions is not None else ()
            regions = (*lengths, bool(job.regional_negatives), theirs)
            return (kind, who, job.current.size, job.guided, tokens, job.image.tiling, nets, regions)
        if kind is StageKind.DECODING:
            # Tiles are one job's, and so are the pictures of steps.
            alone = job.job if job.current.decode_edge or isinstance(job, LatentsTask) else ""
            return (kind, self.name, job.current.size, job.image.tiling, alone)
        return (kind, self.name, job.job)

    def batch_limit(self, task: Task) -> int:
        """Small latents leave a device idle, large ones do not; see `Family.batch_limit`."""
        job = cast(DiffusionTask, task)
        size = job.current.size
        cells = size.width * size.height // self._parts.factor**2 * extent_of(job, self._parts).work
        limit = (CPU_CELLS if self._parts.device == "cpu" else GPU_CELLS) / cells
        return max(1, min(MAX_BATCH, int(limit)))

    def needs(self, tasks: Sequence[Task]) -> Need:
        """What the next step computes with; see `underpaint.engine.memory.ladder.Estimated`."""
        jobs = [cast(DiffusionTask, task) for task in tasks]
        return step_needs(jobs, self._parts, type(self).__name__)

    def save_memory(self, tasks: Sequence[Task]) -> str | None:
        """Smaller tiles for the VAE; see `underpaint.engine.memory.ladder.Thrifty`."""
        jobs = [cast(DiffusionTask, task) for task in tasks]
        # A list: every job's tiles shrink.
        whole = [job for job in jobs if not isinstance(job, LatentsTask)]
        return "" if any([shrink_tiles(job, self._parts) for job in whole]) else None

    @torch.inference_mode()
    def step(self, tasks: Sequence[Task]) -> None:
        """The next step of tasks in one bucket; see `Family.step`."""
        jobs = [cast(DiffusionTask, task) for task in tasks]
        match jobs[0].plan[jobs[0].stage_index].kind:
            case StageKind.LOADING:
                self._load_next(jobs)
            case StageKind.ENCODING_TEXT:
                with (
                    self._loras.read_with(jobs[0].loras, jobs[0].embeddings, *self._readers()),
                    knowing(jobs[0].embeddings, *self._readers()),
                ):
                    self._read_on(jobs[0])
            case StageKind.ENCODING_IMAGE:
                if isinstance(jobs[0], LatentsTask):
                    begin_latents(jobs[0], self._parts)
                else:
                    shown = jobs[0].looking_at
                    self._encode_on(jobs[0]) if shown is None else self._look(shown)
            case StageKind.DENOISING:
                for job in jobs:
                    if isinstance(job, LatentsTask):
                        before_step(job, self._parts)
                # A refiner goes on without: its layers are others.
                loras = () if jobs[0].current.refined else jobs[0].loras
                with self._loras.around((self._parts.denoiser,), loras):
                    self._denoise(jobs)
            case StageKind.DECODING:
                if isinstance(jobs[0], LatentsTask):
                    show_next(jobs[0], self._parts)
                else:
                    decode_next(jobs, self._parts)
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
        return self._previews.render(latents, current.done_before + current.sampler.done, job)

    def finish(self, task: Task) -> Sequence[Picture]:
        """Compositing and conversion; see `Family.finish`."""
        job = cast(DiffusionTask, task)
        if isinstance(job, LatentsTask):
            return pictures_of(job)
        if job.made is None:
            raise AssertionError("the last pass has been decoded")
        return [finish_picture(job.image, job.made)]

    def weights(self) -> Mapping[str, str]:
        """Content hashes of the weight files."""
        return {name: file_sha256(path) for name, path in self._weight_files().items()}

    @torch.inference_mode()
    def load(self) -> None:
        """Brings every component into memory."""
        self._parts.claim()

    @property
    def loaded(self) -> bool:
        """Whether every component is in memory."""
        return not self._missing(())

    def _weight_files(self) -> dict[str, Path]:
        return self._parts.weights()

    def _load_next(self, jobs: list[DiffusionTask]) -> None:
        loras = [partial(self._loras.load, lora) for lora in self._loras.missing(jobs[0].every_lora)]
        missing: list[Callable[[], object]] = [*self._missing(jobs[0].controls), *loras]
        if missing:
            missing[0]()
        if len(missing) <= 1:
            self._claim(jobs[0])
            for job in jobs:
                job.stage_step = job.plan[job.stage_index].steps - 1

    def _read_on(self, job: DiffusionTask) -> None:
        """One forward pass of a text encoder; after the last one the stage is done."""
        last = job.plan[job.stage_index].steps - 1
        try:
            with self._parts.components.pace.step(job.read_so_far):
                self._encode_text(job)
        except MoreToRead:
            # A plan that counted too few ends with the reading, not before it.
            job.stage_step = min(job.stage_step, last - 1)
            return
        job.read_so_far.clear()
        job.stage_step = last

    def _encode_text(self, job: DiffusionTask) -> None:
        found = self._read(self._parts, job)
        job.text, job.negative, job.region_texts, job.region_negatives = found
        for text in (job.text, *job.region_texts):
            note = f"The prompt is too long for this model; it did not read: {text.dropped!r}."
            if text.dropped and note not in job.notes:
                job.notes.append(note)

    def _read(self, parts: Parts, job: DiffusionTask) -> Texts:
        def read(
            prompt: str, negative: str, loras: tuple[PlannedLora, ...]
        ) -> tuple[TextEncoding, TextEncoding | None]:
            # On top of the picture's own.
            with self._loras.read_with(loras, (), *self._readers()):
                if not job.guided:
                    return parts.text.encode(self._told(prompt)), None
                return parts.text.encode_both(self._told(prompt), self._told(negative))

        return read_all(job, parts.text, read, apart=parts.text_everywhere)

    def _told(self, prompt: str) -> str:
        return prompt if self._vocabulary is None else self._vocabulary.read(plain(prompt)).prompt


def loads(parts: Parts) -> list[Callable[[], object]]:
    """What brings each of a model's networks into memory that is not there."""
    return [partial(parts.load, name) for name in parts.missing()]


def _vocabulary(facts: Mapping[str, object]) -> Vocabulary | None:
    known, near = facts.get("vocabulary"), facts.get("near_words")
    table = {str(key): str(put) for key, put in near.items()} if isinstance(near, dict) else None
    return Vocabulary(known, table) if known else None
