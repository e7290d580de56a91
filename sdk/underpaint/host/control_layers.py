"""The image that a control's preprocessor makes, on its own: what is asked for, and where it belongs."""

from __future__ import annotations

from underpaint.errors import InvalidRequest, Violation
from underpaint.host.adapter import Capability, HostAdapter, ResultKind
from underpaint.host.controls import AttachedControl
from underpaint.host.snapshot import Snapshot
from underpaint.types import JobOrigin, PreprocessRequest


def control_image(adapter: HostAdapter, control: AttachedControl, title: str, client_id: str) -> Snapshot:
    """What a control looks at, over the whole canvas, for its preprocessor alone; on the host's main thread.

    A host with layers gets it as a layer, any other as a picture of its own. Raises `InvalidRequest` where
    there is no preprocessor, and what the control's source raises.
    """
    if not control.preprocessor:
        raise InvalidRequest(
            "Choose how the control image is made: taken as it is, it lies on its layer already.",
            violations=[Violation("preprocessor", "is missing")],
        )
    canvas = adapter.canvas()
    request = PreprocessRequest(
        image=control.source.read(adapter, canvas.document_id, canvas.bounds, control.choice),
        preprocessor=control.preprocessor,
        parameters=control.parameters,
        output=canvas.result_format,
    )
    layered = Capability.LAYERS in adapter.capabilities
    document = canvas.document_id if layered else ""
    origin = JobOrigin(client_id, document, adapter.host_context(document), title)
    kind = ResultKind.LAYER if layered else ResultKind.TEXTURE
    return Snapshot(request, kind, canvas.bounds, origin)
