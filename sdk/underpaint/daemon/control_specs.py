"""Controls in specifications: a control model for each role, defaults filled in, everything checked."""

from __future__ import annotations

from underpaint.daemon.blobs.store import BlobStore, Entry
from underpaint.daemon.controls import ControlIndex, base_for, fits, roles_of
from underpaint.daemon.estimators import function_of
from underpaint.daemon.plugins import Plugins
from underpaint.daemon.processing import complete, edges_of
from underpaint.daemon.scan import FoundControl, FoundModel
from underpaint.errors import Violation
from underpaint.hookspecs import ControlTraits
from underpaint.types import Bounds
from underpaint.v1.image_pb2 import ImageRef
from underpaint.v1.job_service_pb2 import Control, JobSpec
from underpaint.weights import kinds
from underpaint.wire.controls import complete_control
from underpaint.wire.images import format_of
from underpaint.wire.limits import raise_for
from underpaint.worker_v1.worker_service_pb2 import ControlSource


async def resolve_controls(
    spec: JobSpec, model: FoundModel, window: Bounds, index: ControlIndex, blobs: BlobStore, plugins: Plugins
) -> list[Entry]:
    """Completes the controls of a specification whose pictures lie in `window`; the blobs that they need.

    Raises InvalidRequest (violations name "spec.controls[N].…"), ModelNotFound, ModelUnusable, BlobNotFound
    or BlobStateError.
    """
    needed: list[Entry] = []
    loras: list[str] = []
    for number, control in enumerate(spec.controls):
        where = f"spec.controls[{number}]"
        complete_control(control)
        chosen = await _choose(control, where, model, index)
        if chosen.traits is not None and chosen.traits.kind == kinds.CONTROL_LORA:
            loras.append(chosen.name)
            if len(loras) > 1:
                text = (
                    f"one control LoRA can be worn at a time, {' and '.join(loras)} are named: leave one out"
                )
                raise_for([Violation(f"{where}.model", text)])
        if control.preprocessor:
            wanted = complete(control, plugins.preprocessors, where, edges_of(spec))
            await function_of(wanted, index.models)
        # What is looked at through an encoder may lie anywhere.
        anywhere = chosen.encoder is not None
        needed.append(_input(control.image, f"{where}.image", None if anywhere else window, blobs))
        if control.HasField("mask"):
            mask = _input(control.mask, f"{where}.mask", window, blobs)
            channels = format_of(mask.layout).channels
            if channels.count != 1:
                raise_for([Violation(f"{where}.mask", f"must have one channel, got {channels.value}")])
            needed.append(mask)
    return needed


async def control_sources(spec: JobSpec, index: ControlIndex, plugins: Plugins) -> list[ControlSource]:
    """What a worker needs for each control of a resolved specification.

    Raises ModelNotFound, ModelUnusable or InvalidRequest if something has gone since the job was queued.
    """
    sources = []
    for number, control in enumerate(spec.controls):
        found = await _itself_or(control, await index.models.find(spec.model), index)
        assert found.traits is not None, "the index hands out usable control models only"
        source = ControlSource(
            name=found.name,
            path=str(found.folder),
            kind=found.traits.kind,
            image_encoder=str(found.encoder or ""),
        )
        if control.preprocessor:
            descriptor = complete(control, plugins.preprocessors, f"spec.controls[{number}]")
            source.preprocessor.CopyFrom(await function_of(descriptor, index.models))
        sources.append(source)
    return sources


def check_shown(spec: JobSpec, model: FoundModel) -> None:
    """Raises InvalidRequest where a model reads an image itself and the controls do not hold it, once."""
    role = model.traits.shown_role if model.traits else ""
    own = [number for number, control in enumerate(spec.controls) if control.role == role]
    if role and len(own) != 1:
        raise_for(
            [Violation("spec.controls", f"{model.name!r} reads one {role!r} image; there are {len(own)}")]
        )


async def _itself_or(control: Control, model: FoundModel, index: ControlIndex) -> FoundControl:
    """The model itself, for the image that it reads, or a control model by name."""
    if model.traits is None or not model.traits.shown_role or control.model != model.name:
        return await index.find(control.model)
    traits = ControlTraits(base="", roles=(model.traits.shown_role,), kind=kinds.PIPELINE)
    return FoundControl(model.name, model.path, model.family, traits)


async def _choose(control: Control, where: str, model: FoundModel, index: ControlIndex) -> FoundControl:
    """The control model, filled in where the control names none."""
    roles = roles_of(model, await index.all())
    if not control.model:
        names = next((one.models for one in roles if one.role == control.role), ())
        if not names:
            taken = ", ".join(f"{one.role} ({one.models[0]})" for one in roles)
            there = f"it takes {taken}" if taken else "it takes none yet"
            base = model.traits.control_base if model.traits else ""
            hint = f"put a control model for {base} into a model root" if base else "choose another model"
            text = f"the model {model.name!r} takes no {control.role!r} image; {there}: or {hint}"
            raise_for([Violation(f"{where}.role", text)])
        control.model = names[0]
    found = await _itself_or(control, model, index)
    assert found.traits is not None, "the index hands out usable control models only"
    itself = found.traits.kind == kinds.PIPELINE
    if itself and (
        (control.strength, control.start, control.end) != (1.0, 0.0, 1.0) or control.HasField("mask")
    ):
        text = "is read by the model itself, everywhere and in every step: no strength, start, end or mask"
        raise_for([Violation(where, text)])
    if found.traits.kind == kinds.CONTROL_LORA and control.HasField("mask"):
        text = (
            f"{found.name!r} changes the model as a whole: it takes no mask; strength, start and end it does"
        )
        raise_for([Violation(f"{where}.mask", text)])
    if not itself and not fits(found, model):
        others = sorted({name for one in roles for name in one.models})
        base = base_for(found.traits.kind, model)
        text = (
            f"{found.name!r} does not fit the model {model.name!r}: it is made for {found.traits.base}, not "
            f"for {base or 'models of this kind'}; these fit: {', '.join(others) or 'none'}"
        )
        raise_for([Violation(f"{where}.model", text)])
    if found.traits.roles and control.role not in found.traits.roles:
        text = f"{found.name!r} knows {', '.join(found.traits.roles)}, not {control.role!r}"
        raise_for([Violation(f"{where}.role", text)])
    return found


def _input(reference: ImageRef, where: str, window: Bounds | None, blobs: BlobStore) -> Entry:
    """A control's pixels; those that lie beside `window` are refused."""
    entry = blobs.sealed(reference.blob)
    if window is None:
        return entry
    place = Bounds(reference.x_px, reference.y_px, entry.layout.width_px, entry.layout.height_px)
    if place.intersect(window).is_empty:
        text = (
            f"lies beside the picture: it covers {place.width}x{place.height} px at ({place.x}, {place.y}), "
            f"the picture {window.width}x{window.height} px at ({window.x}, {window.y})"
        )
        raise_for([Violation(where, text)])
    return entry
