"""A job of latent diffusion: its passes and what they hold between steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from underpaint.engine.diffusion.text import TextEncoding
from underpaint.engine.family import Assignment, Task
from underpaint.engine.inpaint import resize
from underpaint.engine.pixels.color import Floats
from underpaint.engine.plan import ImagePlan, plan_image, resolve
from underpaint.engine.prompts import choose_wildcards
from underpaint.engine.schedulers import Sampler
from underpaint.geometry import SECOND_PASS_STRENGTH, Size
from underpaint.hookspecs import ModelTraits
from underpaint.types import PlannedStage, StageKind


@dataclass
class Pass:
    """One way from noise (or a noised picture) to a picture, at one size. Tensors are `(1, c, h, w)`."""

    size: Size
    sampler: Sampler
    strength: float
    image: Floats | None = None
    """RGB at `size` that the pass starts from and keeps outside the mask."""
    mask: Floats | None = None
    """The denoise mask at `size`."""
    latents: torch.Tensor | None = None
    noise: torch.Tensor | None = None
    image_latents: torch.Tensor | None = None
    mask_cells: torch.Tensor | None = None
    """The mask in latent cells, one channel."""
    masked_latents: torch.Tensor | None = None
    """Latents of the picture without what is masked; nine-channel models only."""


@dataclass(kw_only=True)
class DiffusionTask(Task):
    """Everything between two steps of one job."""

    image: ImagePlan
    passes: list[Pass]
    generator: torch.Generator
    guided: bool
    """Whether the denoiser runs twice, with and without the prompt."""
    pass_index: int = 0
    text: TextEncoding | None = None
    negative: TextEncoding | None = None
    made: Floats | None = None
    """The last decoded picture, RGB `(height, width, 3)`."""

    @property
    def current(self) -> Pass:
        """The pass at hand."""
        return self.passes[self.pass_index]


def prepare_task(
    assignment: Assignment,
    traits: ModelTraits,
    model: str,
    scheduler_config: Mapping[str, Any],
    *,
    guidance_embedded: bool,
    missing_components: int,
) -> DiffusionTask:
    """Checks and plans a job. Raises `InvalidRequest` or `OperationUnsupported`."""
    spec = resolve(assignment, traits, model)
    notes = choose_wildcards(spec)
    image = plan_image(assignment, spec, traits)
    generator = torch.Generator("cpu").manual_seed(spec.seed)
    first = _first_pass(image, spec.scheduler, scheduler_config, spec.steps, generator)
    passes = [first]
    if image.sizes.two_passes:
        strength = min(SECOND_PASS_STRENGTH, image.strength)
        sampler = Sampler(spec.scheduler, scheduler_config, spec.steps, generator, strength)
        passes.append(Pass(image.sizes.desired, sampler, strength))
        notes.append(
            f"Painted at {first.size.width}x{first.size.height} px, then refined at "
            f"{passes[1].size.width}x{passes[1].size.height} px: the model was trained for smaller pictures."
        )
    return DiffusionTask(
        job=assignment.job,
        plan=_stages(passes, missing_components),
        resolved=spec,
        notes=notes,
        image=image,
        passes=passes,
        generator=generator,
        guided=spec.guidance_scale > 1.0 and not guidance_embedded,
    )


def second_pass(task: DiffusionTask) -> None:
    """Goes on to the second pass, which starts from what the first one made."""
    made = task.made
    assert made is not None, "the first pass has been decoded"
    task.pass_index += 1
    current, plan = task.current, task.image
    picture = resize(made, current.size, plan.tiling)
    if plan.source is not None and plan.masks is not None:
        mask = resize(plan.masks.denoise, current.size, plan.tiling)
        source = resize(plan.source.rgb, current.size, plan.tiling)
        picture = picture * mask[..., None] + source * (1.0 - mask[..., None])
        current.mask = mask
    current.image = picture


def _first_pass(
    image: ImagePlan, scheduler: str, config: Mapping[str, Any], steps: int, generator: torch.Generator
) -> Pass:
    size = image.sizes.initial
    strength = None if image.operation == "txt2img" else image.strength
    first = Pass(size, Sampler(scheduler, config, steps, generator, strength), image.strength)
    if image.source is not None:
        first.image = resize(image.source.rgb, size, image.tiling)
    if image.masks is not None:
        first.mask = resize(image.masks.denoise, size, image.tiling)
    return first


def _stages(passes: list[Pass], missing_components: int) -> tuple[PlannedStage, ...]:
    stages = [
        PlannedStage(StageKind.LOADING, max(1, missing_components)),
        PlannedStage(StageKind.ENCODING_TEXT),
    ]
    for index, one in enumerate(passes):
        if one.image is not None or index > 0:
            stages.append(PlannedStage(StageKind.ENCODING_IMAGE))
        stages += [PlannedStage(StageKind.DENOISING, len(one.sampler)), PlannedStage(StageKind.DECODING)]
    return (*stages, PlannedStage(StageKind.POST_PROCESSING))
