"""What a verb is asked for: read in one go on the host's main thread, when the verb is called.

Whoever switches documents, crops or paints a moment later, while the daemon is still being started, has
asked for what was there at the call. The one thing that is known later is the model: each function here
returns an `Asked`, which makes the request once the model is known and touches the host no more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from underpaint.errors import NothingSelected
from underpaint.geometry import fill_window
from underpaint.host.adapter import Canvas, Capability, HostAdapter, ResultKind
from underpaint.host.controls import read_controls
from underpaint.host.cropping import cropped, cropped_controls, extended, outside_of
from underpaint.host.islands import read_islands, widened
from underpaint.host.margins import Margins
from underpaint.host.regions import covering, read_regions
from underpaint.host.settings import Settings, title_of
from underpaint.types import Bounds, GenerateRequest, JobOrigin, ModelInfo, PixelFormat, Request, ResultForm

ANY_MODEL = ModelInfo(name="", native_size=1024, size_multiple=64)
"""Whose context is read while the daemon has not told of its models: it holds those of smaller models.
A model that wants more gets as much as this."""

EXPAND_OVERLAP = 32
"""How far an expanded picture is painted over where it joins what is new, in pixels at most."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A request with its pixels, and where the result belongs."""

    request: Request
    kind: ResultKind
    place: Bounds
    origin: JobOrigin


Asked = Callable[[ModelInfo], Snapshot]
"""Makes the request for the model that is used; called in a task's thread."""


def fill(
    adapter: HostAdapter,
    prompt: str,
    settings: Settings,
    model: ModelInfo | None,
    client_id: str,
    verb: str = "Fill",
) -> Asked:
    """The selection and the part of the canvas around it that the model looks at, and nothing more.

    `model` is None where nobody knows it yet: as much is read as models commonly look at, at most about
    1024 px a side, and what is too much is cut off when it is known.
    """
    canvas = adapter.canvas()
    selected = adapter.selection_bounds(canvas.document_id)
    selection = selected.intersect(canvas.bounds) if selected else None
    if selection is None or selection.is_empty:
        raise NothingSelected("Nothing is selected: select the part of the picture to fill, then try again.")
    hole = widened(selection, canvas.bounds, settings.islands)
    strength = 1.0 if settings.strength is None else settings.strength

    def window(model: ModelInfo) -> Bounds:
        return fill_window(
            hole,
            canvas.bounds,
            native_size=model.native_size,
            size_multiple=model.size_multiple,
            strength=strength,
        )

    read = window(model or ANY_MODEL)
    image = adapter.read_merged(canvas.document_id, read)
    mask = adapter.read_selection(canvas.document_id, read)
    islands = read_islands(settings.islands, adapter, canvas.document_id, read)
    origin = _origin(adapter, canvas, prompt, verb, client_id)
    request = replace(
        _asked_with(settings, prompt, adapter, canvas.document_id, read),
        # A slider at its end says no more than one that nobody moved: as fits the model.
        strength=strength if strength < 1.0 else None,
        fill_mode=settings.fill_mode,
        output=canvas.result_format,
        form=ResultForm.LAYER if canvas.result_format.channels.has_alpha else ResultForm.MERGED,
    )

    def asked(model: ModelInfo) -> Snapshot:
        context = window(model).intersect(read)
        pixels = replace(request, image=cropped(image, context), mask=cropped(mask, context))
        pixels = replace(pixels, islands=islands(context))
        return Snapshot(_within(pixels, context), ResultKind.LAYER, context, origin)

    return asked


def expand(
    adapter: HostAdapter,
    prompt: str,
    settings: Settings,
    model: ModelInfo | None,
    client_id: str,
    margins: Margins,
) -> Asked:
    """What lies around the canvas, `margins` wide, and the part of the canvas that goes on there."""
    canvas = adapter.canvas()
    wanted, new = margins.around(canvas.bounds), margins.outside(canvas.bounds)
    overlap = min(EXPAND_OVERLAP, min(canvas.width, canvas.height) // 4)

    def window(model: ModelInfo) -> Bounds:
        return fill_window(new, wanted, native_size=model.native_size, size_multiple=model.size_multiple)

    most = window(model or ANY_MODEL)
    read = most.intersect(canvas.bounds)
    image = adapter.read_merged(canvas.document_id, read)
    kind = ResultKind.LAYER if Capability.LAYERS in adapter.capabilities else ResultKind.EXPANDED
    origin = _origin(adapter, canvas, prompt, "Expand", client_id)
    request = replace(
        _asked_with(settings, prompt, adapter, canvas.document_id, read),
        # All of the soft edge lies on the canvas: beyond it there is nothing that could show through.
        grow=float(overlap + 1),
        feather=float(overlap),
        output=canvas.result_format,
        form=ResultForm.LAYER if canvas.result_format.channels.has_alpha else ResultForm.MERGED,
    )

    def asked(model: ModelInfo) -> Snapshot:
        context = window(model).intersect(most)
        inside = context.intersect(read)
        # The edge's own pixels carried on: colours to begin with, in whatever format the host has.
        whole = extended(cropped(image, inside), context)
        mask = outside_of(canvas.bounds, context)
        placed = replace(_within(request, inside), image=whole, mask=mask)
        return Snapshot(placed, kind, context, origin)

    return asked


def generate(
    adapter: HostAdapter,
    prompt: str,
    settings: Settings,
    model: ModelInfo | None,
    client_id: str,
    *,
    source_layer: str | None = None,
    from_picture: bool = False,
    edit: bool = False,
    verb: str = "Generate",
) -> Asked:
    """A picture for the whole canvas: from words, from one layer, or from the visible picture."""
    canvas = adapter.canvas()
    origin = _origin(adapter, canvas, prompt, verb, client_id)
    read = canvas.bounds
    if source_layer is None and not from_picture:
        # Where the picture hangs over the canvas there is nothing to read, and controls say nothing.
        read = generation_bounds(canvas.bounds, model or ANY_MODEL).intersect(canvas.bounds)
    request = replace(
        _asked_with(settings, prompt, adapter, canvas.document_id, read), output=canvas.result_format
    )
    islands = read_islands(settings.islands, adapter, canvas.document_id, read)
    if source_layer is None and not from_picture:

        def from_words(model: ModelInfo) -> Snapshot:
            size = generation_bounds(canvas.bounds, model)
            sized = replace(request, width=size.width, height=size.height, x=size.x, y=size.y)
            sized = replace(_within(sized, size.intersect(read)), islands=islands(size.intersect(read)))
            return Snapshot(sized, ResultKind.LAYER, size, origin)

        return from_words
    image = (
        adapter.read_merged(canvas.document_id, canvas.bounds)
        if source_layer is None
        else adapter.read_layer(canvas.document_id, source_layer, canvas.bounds)
    )
    request = replace(request, image=image, edit=edit, strength=None if edit else settings.strength)
    if settings.islands is not None and canvas.result_format.channels.has_alpha:
        # Between islands nothing was painted: there the layer lets through what is below.
        request = replace(request, form=ResultForm.LAYER)

    def from_image(model: ModelInfo) -> Snapshot:
        return Snapshot(
            replace(_within(request, read), islands=islands(read)), ResultKind.LAYER, read, origin
        )

    return from_image


def texture(
    adapter: HostAdapter,
    prompt: str,
    settings: Settings,
    model: ModelInfo | None,
    client_id: str,
    *,
    width: int | None,
    height: int | None,
    result_format: PixelFormat,
) -> Asked:
    """A picture of its own, that belongs to no document."""

    def size(model: ModelInfo) -> Bounds:
        return Bounds(0, 0, width or model.native_size, height or model.native_size)

    read = size(model or ANY_MODEL)
    request = replace(
        _asked_with(settings, prompt, adapter, "", read), width=width, height=height, output=result_format
    )
    islands = read_islands(settings.islands, adapter, "", read)
    origin = JobOrigin(client_id, "", adapter.host_context(""), title_of(prompt, "Texture"))

    def asked(model: ModelInfo) -> Snapshot:
        place = size(model)
        placed = _within(request, place.intersect(read))
        placed = replace(placed, islands=islands(place))
        return Snapshot(placed, ResultKind.TEXTURE, place, origin)

    return asked


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


def _asked_with(
    settings: Settings, prompt: str, adapter: HostAdapter, document_id: str, read: Bounds
) -> GenerateRequest:
    """What is set, with what of it is read from the document within `read`."""
    return replace(
        settings.request(prompt),
        controls=read_controls(settings.controls, adapter, document_id, read),
        regions=read_regions(settings.regions, adapter, document_id, read),
    )


def _within(request: GenerateRequest, bounds: Bounds) -> GenerateRequest:
    """The same, cut to what the model that is used paints; touches no host."""
    controls = cropped_controls(request.controls, bounds)
    return replace(request, controls=controls, regions=covering(request.regions, bounds))


def _origin(adapter: HostAdapter, canvas: Canvas, prompt: str, verb: str, client_id: str) -> JobOrigin:
    context = adapter.host_context(canvas.document_id)
    return JobOrigin(client_id, canvas.document_id, context, title_of(prompt, verb))
