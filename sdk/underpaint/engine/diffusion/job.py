"""A job of latent diffusion: its passes and what they hold between steps."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch

from underpaint.engine.controls.plan import PlannedControl, plan_controls
from underpaint.engine.diffusion.text import TextEncoding
from underpaint.engine.diffusion.vae_tiles import TileRun
from underpaint.engine.embeddings import PlannedEmbedding
from underpaint.engine.family import Assignment, Task
from underpaint.engine.inpaint import fill_hole, is_soft, kept_detail, resize
from underpaint.engine.loras.plan import PlannedLora, plan_loras
from underpaint.engine.pixels.color import Floats
from underpaint.engine.plan import ImagePlan, plan_image, resolve
from underpaint.engine.prompts import choose_wildcards
from underpaint.engine.regions.plan import RegionPlan, plan_regions
from underpaint.engine.schedulers import Sampler
from underpaint.geometry import SECOND_PASS_STRENGTH, Size
from underpaint.hookspecs import ModelTraits
from underpaint.types import Bounds, PlannedStage, StageKind
from underpaint.v1 import job_service_pb2


class SamplerMaker(Protocol):
    """Makes a job's way through its timesteps for a pass of `size`; see `underpaint.engine.schedulers`."""

    def __call__(
        self,
        name: str,
        steps: int,
        generator: torch.Generator,
        size: Size,
        strength: float | None,
        part: tuple[float, float],
        parameters: Mapping[str, float],
    ) -> Sampler:
        """A sampler by its scheduler's name; `strength` and `part` as in `Sampler`."""


@dataclass
class Pass:
    """One way from noise (or a noised picture) to a picture, at one size. Tensors are `(1, c, h, w)`."""

    size: Size
    sampler: Sampler
    strength: float
    refining: Sampler | None = None
    """What follows on `sampler` with the refiner."""
    refined: bool = False
    """Whether the refiner has taken over."""
    done_before: int = 0
    """Steps that were done until then."""
    image: Floats | None = None
    """RGB at `size` that the pass starts from and keeps outside the mask."""
    mask: Floats | None = None
    """The denoise mask at `size`."""
    puts_back: bool = True
    """Whether what is not repainted goes back to the picture's own after each step."""
    detail: float = 0.0
    """How much of what the VAE loses of `image` comes back in the end, 0.0 to 1.0."""
    soft: bool = False
    """Whether grey in the mask is meant as such: it then goes by steps in an inpainting model too."""
    reference: Floats | None = None
    """RGB at `size` that the denoiser looks at beside what it paints."""
    latents: torch.Tensor | None = None
    noise: torch.Tensor | None = None
    image_latents: torch.Tensor | None = None
    hole_cells: torch.Tensor | None = None
    """What an inpainting denoiser is told of the hole, in latent cells; None for others."""
    joins: torch.Tensor | None = None
    """For what share of the steps, 0.0 to 1.0, a latent cell is repainted: `(1, 1, h, w)`."""
    masked_latents: torch.Tensor | None = None
    """Latents of the picture without what is masked; nine-channel models only."""

    reference_latents: torch.Tensor | None = None
    control_latents: dict[PlannedControl, torch.Tensor] = field(default_factory=dict)
    """Of the images that a control net reads as latents; FLUX only."""
    encode_edge: int = 0
    """Edge of the VAE's tiles in latent cells; 0: the picture in one piece."""
    decode_edge: int = 0
    encoding: dict[str, TileRun] | None = None
    """Pictures on their way to latents; see `underpaint.engine.diffusion.vae_steps`."""
    decoding: TileRun | None = None

    @property
    def hole(self) -> Floats:
        """What an inpainting denoiser does not see, 0.0 or 1.0: all that changes, or more than half."""
        assert self.mask is not None, "the pass has it"
        changes = self.mask > 0.0 if self.soft else self.mask >= 0.5
        return np.asarray(changes, np.float32)

    @property
    def steps(self) -> int:
        """Steps of both denoisers."""
        return len(self.sampler) + (len(self.refining) if self.refining is not None else 0)


@dataclass(kw_only=True)
class DiffusionTask(Task):
    """Everything between two steps of one job."""

    image: ImagePlan
    passes: list[Pass]
    generator: torch.Generator
    controls: tuple[PlannedControl, ...]
    loras: tuple[PlannedLora, ...]
    embeddings: tuple[PlannedEmbedding, ...] = ()
    """What the prompts name."""
    regions: RegionPlan | None = None
    guided: bool
    """Whether the denoiser runs twice, with and without the prompt."""
    pass_index: int = 0
    text: TextEncoding | None = None
    negative: TextEncoding | None = None
    refiner_text: TextEncoding | None = None
    """The same prompts, read by the refiner's text encoder."""
    refiner_negative: TextEncoding | None = None
    region_texts: tuple[TextEncoding, ...] = ()
    region_negatives: tuple[TextEncoding, ...] = ()
    """What to avoid in each region; empty unless one of them has something of its own."""
    refiner_region_texts: tuple[TextEncoding, ...] = ()
    refiner_region_negatives: tuple[TextEncoding, ...] = ()
    read_so_far: dict[Hashable, Any] = field(default_factory=dict)
    """What text encoders have computed for it while its prompts are read; see `Pace`."""
    next_preview: float = 0.0
    """When the next decoded preview may be made, by `time.monotonic`."""
    made: Floats | None = None
    """The last decoded picture, RGB `(height, width, 3)`."""

    @property
    def current(self) -> Pass:
        """The pass at hand."""
        return self.passes[self.pass_index]

    @property
    def reading(self) -> tuple[TextEncoding | None, TextEncoding | None]:
        """Prompt and negative prompt for the denoiser whose turn it is."""
        if self.current.refined:
            return self.refiner_text, self.refiner_negative
        return self.text, self.negative

    @property
    def every_lora(self) -> tuple[PlannedLora, ...]:
        """Those of the picture, then those of its regions."""
        theirs = self.regions.loras if self.regions is not None else ()
        return (*self.loras, *(lora for loras in theirs for lora in loras))

    @property
    def looking_at(self) -> PlannedControl | None:
        """The reference whose picture the next step encodes, if that is what it does."""
        references = [control for control in self.controls if control.reference is not None]
        first = [stage.kind for stage in self.plan].index(StageKind.ENCODING_TEXT) + 1
        return references[self.stage_step] if references and self.stage_index == first else None

    @property
    def regional(self) -> tuple[TextEncoding, ...]:
        """The regions' prompts for the denoiser whose turn it is."""
        return self.refiner_region_texts if self.current.refined else self.region_texts

    @property
    def regional_negatives(self) -> tuple[TextEncoding, ...]:
        """What to avoid in each region, for the denoiser whose turn it is; empty: what the picture avoids."""
        return self.refiner_region_negatives if self.current.refined else self.region_negatives

    @property
    def steered_by(self) -> tuple[PlannedControl, ...]:
        """The controls that count in the next step; a refiner goes on without, its shape is another."""
        current = self.current
        if current.refined:
            return ()
        done, steps = current.sampler.done, current.steps
        # A second pass goes the last part of the way once more.
        ahead = 1.0 - current.strength if self.pass_index else 0.0
        begin, end = (ahead + (1.0 - ahead) * (step / steps) for step in (done, done + 1))
        return tuple(control for control in self.controls if control.counts(begin, end))


def prepare_task(
    assignment: Assignment,
    traits: ModelTraits,
    model: str,
    sampler: SamplerMaker,
    *,
    guided: Callable[[job_service_pb2.JobSpec], bool],
    missing: Callable[[Sequence[PlannedControl]], int],
    cell: int,
    refiner_from: float = 1.0,
) -> DiffusionTask:
    """Checks and plans a job; `missing` counts what must be loaded for it, given its controls.

    `guided`: whether the denoiser runs twice a step for a resolved specification. `cell`: pixels that a
    latent cell spans along one side. `refiner_from`: share of the noise schedule, 0.0 to 1.0, behind which a
    refiner takes over. Raises `InvalidRequest`, `OperationUnsupported` or `PluginFailed`.
    """
    spec = resolve(assignment, traits, model)
    notes = choose_wildcards(spec)
    image = plan_image(assignment, spec, traits)
    generator = torch.Generator("cpu").manual_seed(spec.seed)
    if image.operation == "inpaint":
        # What inpainting keeps is noised anew each step by the denoiser that began.
        refiner_from = 1.0
    parameters = dict(spec.scheduler_parameters)
    make = partial(sampler, spec.scheduler, spec.steps, generator, parameters=parameters)
    path = partial(_path, make, refiner_from)
    # A job that compares first is planned anew before anything is put into its hole.
    fill_mode = "keep" if spec.inpaint.compare_prompt else image.fill_mode
    first = _first_pass(image, path, fill_mode, spec.seed)
    passes = [first]
    if image.sizes.two_passes:
        strength = min(SECOND_PASS_STRENGTH, image.strength)
        passes.append(path(image.sizes.desired, strength, strength))
        notes.append(
            f"Painted at {first.size.width}x{first.size.height} px, then refined at "
            f"{passes[1].size.width}x{passes[1].size.height} px: the model was trained for smaller pictures."
        )
    soft = image.masks is not None and is_soft(
        resize(image.masks.grown, first.size, image.tiling), edge=2 * cell
    )
    for one in passes:
        one.soft = soft
        # Models that see the masked picture were trained to go without, and may say that they do better with.
        one.puts_back = traits.puts_back or not traits.native_inpainting or soft
        one.detail = kept_detail(image.fill_mode, one.strength)
    if "edit" in traits.operations and image.source is not None:
        # Such a model was trained to look at the picture, also where it paints a part of it only.
        for one in passes:
            one.reference = resize(image.source.rgb, one.size, image.tiling)
    window = Bounds(image.x, image.y, image.sizes.target.width, image.sizes.target.height)
    sizes = [one.size for one in passes]
    controls = plan_controls(assignment, spec, window, sizes, image.tiling)
    regions, left_out = plan_regions(assignment, spec, window, sizes, cell, image.tiling)
    return DiffusionTask(
        job=assignment.job,
        plan=_stages(passes, missing(controls), sum(one.reference is not None for one in controls)),
        resolved=spec,
        notes=notes + left_out,
        image=image,
        passes=passes,
        generator=generator,
        controls=controls,
        regions=regions,
        guided=guided(spec),
        loras=plan_loras(assignment),
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


def _path(
    sampler_of: Callable[[Size, float | None, tuple[float, float]], Sampler],
    refiner_from: float,
    size: Size,
    strength: float,
    begin: float | None,
) -> Pass:
    """A pass at one size; `begin` is the strength that the samplers start with, None for pure noise."""
    sampler = sampler_of(size, begin, (0.0, refiner_from))
    if refiner_from >= 1.0:
        return Pass(size, sampler, strength)
    refining = sampler_of(size, begin, (refiner_from, 1.0))
    if not len(sampler):
        return Pass(size, refining, strength, refined=True)
    return Pass(size, sampler, strength, refining if len(refining) else None)


def _first_pass(
    image: ImagePlan, path: Callable[[Size, float, float | None], Pass], fill_mode: str, seed: int
) -> Pass:
    size = image.sizes.initial
    from_noise = image.operation in ("txt2img", "edit")
    first = path(size, image.strength, None if from_noise else image.strength)
    if image.source is not None and not from_noise:
        first.image = resize(image.source.rgb, size, image.tiling)
    if image.masks is not None:
        first.mask = resize(image.masks.denoise, size, image.tiling)
        if first.image is not None and image.strength < 1.0:
            first.image = fill_hole(first.image, first.mask, fill_mode, seed, image.strength)
    return first


def _stages(passes: list[Pass], missing_components: int, references: int) -> tuple[PlannedStage, ...]:
    stages = [
        PlannedStage(StageKind.LOADING, max(1, missing_components)),
        PlannedStage(StageKind.ENCODING_TEXT),
    ]
    if references:
        stages.append(PlannedStage(StageKind.ENCODING_IMAGE, references))
    for index, one in enumerate(passes):
        if one.image is not None or one.reference is not None or index > 0:
            stages.append(PlannedStage(StageKind.ENCODING_IMAGE))
        stages += [PlannedStage(StageKind.DENOISING, one.steps), PlannedStage(StageKind.DECODING)]
    return (*stages, PlannedStage(StageKind.POST_PROCESSING))
