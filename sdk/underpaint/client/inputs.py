"""The pixels that go with a request: uploaded for its submission, each image once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from underpaint.types import Control, GenerateRequest, Image, LatentsRequest, PreprocessRequest, Request
from underpaint.v1 import image_pb2, job_service_pb2
from underpaint.wire.jobs import request_to_spec
from underpaint.wire.regions import ControlPixels


class Inputs:
    """Uploads a request's images. `names` are the blobs so far, also after a failure: give them back."""

    def __init__(self, upload: Callable[[Image], Awaitable[image_pb2.ImageRef]]) -> None:
        self._upload = upload
        self._known: dict[int, image_pb2.ImageRef] = {}

    @property
    def names(self) -> list[str]:
        """Blobs that this one uploaded."""
        return [reference.blob for reference in self._known.values()]

    async def spec(self, request: Request) -> job_service_pb2.JobSpec:
        """The specification that refers to the uploaded pixels."""
        image = await self._optional(request.image)
        if isinstance(request, (PreprocessRequest, LatentsRequest)):
            return request_to_spec(request, image)
        controls = await self._controls(request.controls)
        mask = await self._optional(request.mask) if isinstance(request, GenerateRequest) else None
        regions = [(await self._get(one.mask), await self._controls(one.controls)) for one in request.regions]
        islands = None
        if isinstance(request, GenerateRequest) and request.islands is not None:
            islands = await self._get(request.islands.mask)
        return request_to_spec(request, image, mask, controls, regions, islands)

    async def _controls(self, controls: Sequence[Control]) -> list[ControlPixels]:
        return [(await self._get(one.image), await self._optional(one.mask)) for one in controls]

    async def _optional(self, image: Image | None) -> image_pb2.ImageRef | None:
        return None if image is None else await self._get(image)

    async def _get(self, image: Image) -> image_pb2.ImageRef:
        # A picture is often its own control image; the request keeps it alive, so its id is its own.
        if id(image) not in self._known:
            self._known[id(image)] = await self._upload(image)
        return self._known[id(image)]
