"""What a verb needs from the document, read in one go on the host's main thread."""

from __future__ import annotations

from dataclasses import dataclass, replace

from underpaint.errors import NothingSelected
from underpaint.geometry import fill_window
from underpaint.host.adapter import Canvas, HostAdapter, ResultKind
from underpaint.host.controls import read_controls
from underpaint.host.settings import Settings, title_of
from underpaint.types import Bounds, GenerateRequest, JobOrigin, ModelInfo, PixelFormat, ResultForm


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A request with its pixels, and where the result belongs."""

    request: GenerateRequest
    kind: ResultKind
    place: Bounds
    origin: JobOrigin


def fill(adapter: HostAdapter, prompt: str, settings: Settings, model: ModelInfo, client_id: str) -> Snapshot:
    """The selection and the part of the canvas around it that the model looks at, and nothing more."""
    canvas = adapter.canvas()
    selection = adapter.selection_bounds(canvas.document_id)
    selection = selection.intersect(canvas.bounds) if selection else None
    if selection is None or selection.is_empty:
        raise NothingSelected("Nothing is selected: select the part of the picture to fill, then try again.")
    strength = 1.0 if settings.strength is None else settings.strength
    context = fill_window(
        selection,
        canvas.bounds,
        native_size=model.native_size,
        size_multiple=model.size_multiple,
        strength=strength,
    )
    request = replace(
        settings.request(prompt),
        image=adapter.read_merged(canvas.document_id, context),
        mask=adapter.read_selection(canvas.document_id, context),
        controls=read_controls(settings.controls, adapter, canvas.document_id, context),
        strength=strength,
        output=canvas.result_format,
        form=ResultForm.LAYER if canvas.result_format.channels.has_alpha else ResultForm.MERGED,
    )
    return Snapshot(request, ResultKind.LAYER, context, _origin(adapter, canvas, prompt, "Fill", client_id))


def generate(
    adapter: HostAdapter,
    prompt: str,
    settings: Settings,
    model: ModelInfo,
    client_id: str,
    *,
    source_layer: str | None = None,
    from_picture: bool = False,
) -> Snapshot:
    """A picture for the whole canvas: from words, from one layer, or from the visible picture."""
    canvas = adapter.canvas()
    origin = _origin(adapter, canvas, prompt, "Generate", client_id)
    request = replace(settings.request(prompt), output=canvas.result_format)
    if source_layer is None and not from_picture:
        size = generation_bounds(canvas.bounds, model)
        # Where the picture hangs over the canvas there is nothing to read, and controls say nothing.
        controls = read_controls(
            settings.controls, adapter, canvas.document_id, size.intersect(canvas.bounds)
        )
        request = replace(
            request, width=size.width, height=size.height, x=size.x, y=size.y, controls=controls
        )
        return Snapshot(request, ResultKind.LAYER, size, origin)
    image = (
        adapter.read_merged(canvas.document_id, canvas.bounds)
        if source_layer is None
        else adapter.read_layer(canvas.document_id, source_layer, canvas.bounds)
    )
    controls = read_controls(settings.controls, adapter, canvas.document_id, canvas.bounds)
    request = replace(request, image=image, strength=settings.strength, controls=controls)
    return Snapshot(request, ResultKind.LAYER, canvas.bounds, origin)


def texture(
    adapter: HostAdapter,
    prompt: str,
    settings: Settings,
    model: ModelInfo,
    client_id: str,
    *,
    width: int | None,
    height: int | None,
    result_format: PixelFormat,
) -> Snapshot:
    """A picture of its own, that belongs to no document."""
    request = replace(settings.request(prompt), width=width, height=height, output=result_format)
    place = Bounds(0, 0, width or model.native_size, height or model.native_size)
    request = replace(request, controls=read_controls(settings.controls, adapter, "", place))
    origin = JobOrigin(client_id, "", adapter.host_context(""), title_of(prompt, "Texture"))
    return Snapshot(request, ResultKind.TEXTURE, place, origin)


def generation_bounds(canvas: Bounds, model: ModelInfo) -> Bounds:
    """A size that the model can make and that covers the canvas, if it can.

    Rounded up, so that the picture hangs over right and bottom by less than the model's multiple; a canvas
    beyond the model's largest size gets the largest picture of its shape, centred.
    """
    scale = min(1.0, model.max_size / max(canvas.width, canvas.height))
    scale = max(scale, model.min_size / max(1, min(canvas.width, canvas.height)))
    step = model.size_multiple

    def fit(length: int) -> int:
        rounded = -(-round(length * scale) // step) * step
        return max(model.min_size, min(model.max_size // step * step, rounded))

    width, height = fit(canvas.width), fit(canvas.height)
    x = canvas.x + max(0, (canvas.width - width) // 2)
    y = canvas.y + max(0, (canvas.height - height) // 2)
    return Bounds(x, y, width, height)


def _origin(adapter: HostAdapter, canvas: Canvas, prompt: str, verb: str, client_id: str) -> JobOrigin:
    context = adapter.host_context(canvas.document_id)
    return JobOrigin(client_id, canvas.document_id, context, title_of(prompt, verb))
