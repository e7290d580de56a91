"""What families with a U-Net have in common: everything but recognition, text and extra conditions.

Epsilon and v-prediction, as many input channels as latents have (inpainting by blending latents) or twice as
many and one (native inpainting), distilled models with embedded guidance.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import torch

from underpaint.engine.controls.plan import PlannedControl
from underpaint.engine.controls.steering import Steering
from underpaint.engine.diffusion.comparing import ComparingTask, compare_next, comparing, decided
from underpaint.engine.diffusion.components import Components
from underpaint.engine.diffusion.denoise import denoise
from underpaint.engine.diffusion.job import DiffusionTask
from underpaint.engine.diffusion.latent_family import LatentFamily, loads
from underpaint.engine.diffusion.text import TextEncoders, TextReader
from underpaint.engine.diffusion.unet_parts import UNetParts
from underpaint.engine.family import Assignment
from underpaint.engine.regions.attention import Asked
from underpaint.engine.regions.wearing import ByPlace, ByRow
from underpaint.engine.residency import Shelf
from underpaint.engine.schedulers import Sampler
from underpaint.geometry import Size
from underpaint.worker_v1 import worker_service_pb2


class UNetFamily(LatentFamily):
    """One model of such a family (see `underpaint.engine.family.Family`)."""

    _parts: UNetParts

    def __init__(self, source: worker_service_pb2.ModelSource, shelf: Shelf, device: str, dtype: str) -> None:
        super().__init__(source, shelf, device, dtype)
        self._controls = Steering(shelf, self.name, device, self._parts.dtype, lambda: self._parts.network[0])

    @abstractmethod
    def _text_encoders(self, components: Components) -> TextEncoders:
        """This model's text encoders."""

    def _conditions(self, jobs: Sequence[DiffusionTask]) -> Mapping[str, torch.Tensor]:
        """What the U-Net takes beside text, see `underpaint.engine.diffusion.denoise.Conditions`."""
        return {}

    @property
    def _refiner(self) -> UNetParts | None:
        """The networks that go on where this model's leave off, if there are any."""
        return None

    def _make_parts(self, components: Components) -> UNetParts:
        return UNetParts(components, self._text_encoders(components))

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
        return Sampler(name, self._parts.scheduler_config, steps, generator, strength, part, parameters)

    def prepare(self, assignment: Assignment) -> DiffusionTask:
        """Checks and plans a job; see `Family.prepare`."""
        task, traits = super().prepare(assignment), self._traits
        if traits.agreement is None or not task.resolved.inpaint.compare_prompt:
            return task
        lower = traits.wordless_fill_strength or traits.fill_strength
        return comparing(task, assignment, lower, traits.agreement, self._parts)

    def _encode_on(self, job: DiffusionTask) -> None:
        if not isinstance(job, ComparingTask):
            super()._encode_on(job)
            return
        with self._loras.around((self._parts.denoiser,), job.loras):
            last = compare_next(job, self._parts, self._conditions)
        if last:
            job.aside = partial(decided, job, self.prepare)

    def _denoise(self, jobs: Sequence[DiffusionTask]) -> None:
        refiner, asked = self._refiner if jobs[0].current.refined else None, Asked()
        parts = refiner or self._parts
        # A refiner goes on without, as it does without the picture's.
        regions = jobs[0].regions if refiner is None else None
        weigh = ByRow(jobs) if parts.text_everywhere else ByPlace(jobs, asked)
        with self._loras.in_regions(regions, weigh):
            denoise(jobs, parts, self._conditions, self._controls, asked)

    def _look(self, control: PlannedControl) -> None:
        self._controls.look(control)

    def _missing(self, controls: Sequence[PlannedControl]) -> list[Callable[[], object]]:
        refiner = [] if self._refiner is None else loads(self._refiner)
        steering = [partial(self._controls.load, need) for need in self._controls.missing(controls)]
        return [*super()._missing(controls), *refiner, *steering]

    def _readers(self) -> tuple[TextReader, ...]:
        return super()._readers() + (() if self._refiner is None else (self._refiner.text,))

    def _claim(self, job: DiffusionTask) -> None:
        super()._claim(job)
        self._controls.claim(job.controls)

    @torch.inference_mode()
    def load(self) -> None:
        """Brings every component into memory."""
        super().load()
        if self._refiner is not None:
            self._refiner.claim()

    def _weight_files(self) -> dict[str, Path]:
        refiner = {} if self._refiner is None else self._refiner.weights()
        return super()._weight_files() | {f"refiner/{name}": path for name, path in refiner.items()}

    def _encode_text(self, job: DiffusionTask) -> None:
        super()._encode_text(job)
        if self._refiner is not None:
            second = self._read(self._refiner, job)
            job.refiner_text, job.refiner_negative = second[:2]
            job.refiner_region_texts, job.refiner_region_negatives = second[2:]
        if isinstance(job, ComparingTask):
            told, plain = self._parts.text.encode_both(self._told(job.resolved.prompt), "")
            job.texts = (plain, told)
