"""What a test says about jobs of the fake daemon, and what the daemon remembers of them."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field

from underpaint.errors import UnderpaintError
from underpaint.types import PixelFormat
from underpaint.v1 import job_service_pb2 as pb
from underpaint.v1 import model_service_pb2
from underpaint.wire.controls import complete_control
from underpaint.wire.images import format_to_layout
from underpaint.wire.islands import complete_islands
from underpaint.wire.jobs import state_from
from underpaint.wire.loras import complete_lora
from underpaint.wire.regions import complete_region, lift_controls


@dataclass(frozen=True)
class Script:
    """What happens to a job."""

    steps: int = 0
    """Denoising steps; 0: those of the request, or the model's."""
    step_seconds: float = 0.0
    error: UnderpaintError | None = None
    """Ends the job instead of a result."""
    hang_at_step: int | None = None
    """Stops there until `FakeDaemon.go_on`."""
    restart_at_step: int | None = None
    """The daemon goes down there and comes back, once; the job begins again."""
    notes: tuple[str, ...] = ()
    pixels: bytes | None = None
    """The picture, in the layout that was asked for; None: one colour that the request decides."""
    drawing: bool = False
    """Instead of one colour `conformance.patterns.drawing`, which has another colour at every place."""


@dataclass
class Record:
    """A job and those who wait for news of it."""

    job: pb.Job
    request_id: str
    submitted: bytes
    preview: pb.Preview | None = None
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    cancelled: bool = False
    restarted: bool = False

    @property
    def final(self) -> bool:
        """Whether it has ended."""
        return state_from(self.job.state).is_final


def resolve(spec: pb.JobSpec, models: list[model_service_pb2.Model]) -> pb.JobSpec:
    """The specification with every default filled in."""
    resolved = pb.JobSpec.FromString(spec.SerializeToString())
    model = next(model for model in models if spec.model in ("", model.name))
    operation = spec.WhichOneof("operation")
    resolved.model = model.name
    for region in resolved.regions:
        complete_region(region)
    lift_controls(resolved)
    for control in resolved.controls:
        complete_control(control)
        roles = (one.models for one in model.controls if one.role == control.role)
        control.model = control.model or next((names[0] for names in roles if names), "")
    for lora in resolved.loras:
        complete_lora(lora)
    complete_islands(resolved)
    resolved.seed = spec.seed if spec.HasField("seed") else secrets.randbits(32)
    preset = next((one for one in model.presets if one.name == spec.preset), None)
    if preset is not None:
        spec = pb.JobSpec.FromString(spec.SerializeToString())
        spec.steps, spec.scheduler = spec.steps or preset.steps, spec.scheduler or preset.scheduler
    resolved.ClearField("preset")
    resolved.steps = spec.steps or model.default_steps
    if not spec.HasField("guidance_scale"):
        resolved.guidance_scale = model.default_guidance_scale
    resolved.scheduler = spec.scheduler or model.default_scheduler
    if operation == "text_to_image":
        resolved.text_to_image.width_px = spec.text_to_image.width_px or model.native_size_px
        resolved.text_to_image.height_px = spec.text_to_image.height_px or model.native_size_px
    if not spec.result_form:
        inpaint = operation == "inpaint"
        resolved.result_form = pb.RESULT_FORM_LAYER if inpaint else pb.RESULT_FORM_MERGED
    if not spec.HasField("output_layout"):
        resolved.output_layout.CopyFrom(format_to_layout(PixelFormat()))
    return resolved


def inputs_of(spec: pb.JobSpec) -> list[str]:
    """Names of the blobs that a specification refers to."""
    operation = spec.WhichOneof("operation") or ""
    found = [] if operation == "text_to_image" else [getattr(spec, operation).image.blob]
    if operation == "inpaint":
        found.append(spec.inpaint.mask.blob)
    for control in [*spec.controls, *(control for region in spec.regions for control in region.controls)]:
        found += [control.image.blob, control.mask.blob] if control.HasField("mask") else [control.image.blob]
    found += [region.mask.blob for region in spec.regions]
    found += [spec.islands.mask.blob] if spec.HasField("islands") else []
    return list(dict.fromkeys(found))
