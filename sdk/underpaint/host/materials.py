"""The maps of a material, made from what a document shows: what is asked for, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from underpaint.host.adapter import Capability, HostAdapter, ResultKind
from underpaint.host.snapshot import Snapshot
from underpaint.types import JobOrigin, PixelFormat, PreprocessRequest, Tiling

_SURFACE = ("flatten", "smooth", "invert")


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterialMap:
    """One map of a material, by the preprocessor that makes it."""

    preprocessor: str
    title: str
    """As the layer is called."""
    parameters: tuple[str, ...]
    """What of the preprocessor's parameters a person may set for the whole set."""


MAPS = (
    MaterialMap(preprocessor="height-map", title="Height", parameters=_SURFACE),
    MaterialMap(preprocessor="normal-map", title="Normal", parameters=(*_SURFACE, "relief", "directx")),
    MaterialMap(
        preprocessor="roughness-map",
        title="Roughness",
        parameters=(*_SURFACE, "relief", "base", "share", "scale"),
    ),
    MaterialMap(
        preprocessor="occlusion-map",
        title="Ambient occlusion",
        parameters=(*_SURFACE, "relief", "radius", "strength"),
    ),
)
"""Height, normals, roughness, ambient occlusion; each follows from the picture by itself."""


def requests(
    asked: PreprocessRequest, values: Mapping[str, float]
) -> Sequence[tuple[MaterialMap, PreprocessRequest]]:
    """A request for each map: `asked` with another preprocessor, and what of `values` that one knows."""
    return [
        (
            one,
            replace(
                asked,
                preprocessor=one.preprocessor,
                parameters={name: value for name, value in values.items() if name in one.parameters},
            ),
        )
        for one in MAPS
    ]


def read_maps(
    adapter: HostAdapter,
    values: Mapping[str, float],
    tiling: Tiling,
    client_id: str,
    *,
    source_layer: str | None = None,
    formats: Mapping[str, PixelFormat] | None = None,
) -> list[Snapshot]:
    """What is seen, or one layer, and where each map belongs: on the host's main thread, once.

    A host with layers gets each as a layer, in the canvas's own format. Any other gets pictures of their
    own, in `formats` by preprocessor where it says so.
    """
    canvas = adapter.canvas()
    if source_layer is None:
        image = adapter.read_merged(canvas.document_id, canvas.bounds)
    else:
        image = adapter.read_layer(canvas.document_id, source_layer, canvas.bounds)
    layered = Capability.LAYERS in adapter.capabilities
    document = canvas.document_id if layered else ""
    context = adapter.host_context(document)
    asked = PreprocessRequest(image=image, preprocessor="", tiling=tiling, output=canvas.result_format)
    shots = []
    for one, request in requests(asked, values):
        if not layered and formats is not None:
            request = replace(request, output=formats.get(one.preprocessor, request.output))
        name = f"{one.title} of {canvas.title}" if canvas.title and not layered else one.title
        origin = JobOrigin(client_id, document, context, name)
        kind = ResultKind.LAYER if layered else ResultKind.TEXTURE
        shots.append(Snapshot(request, kind, canvas.bounds, origin))
    return shots
