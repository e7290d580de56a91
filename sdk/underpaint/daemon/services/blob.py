"""BlobService."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

import grpc

from underpaint.daemon.blobs import transfer
from underpaint.daemon.blobs.probe import Prober
from underpaint.daemon.blobs.store import BlobStore
from underpaint.v1 import blob_service_pb2 as pb
from underpaint.v1.blob_service_pb2_grpc import BlobServiceServicer


class BlobService(BlobServiceServicer):
    """Pixels, as in blob_service.proto."""

    def __init__(self, blobs: BlobStore, prober: Prober) -> None:
        self._blobs = blobs
        self._prober = prober

    async def BeginProbe(  # noqa: N802
        self, request: pb.BeginProbeRequest, context: grpc.aio.ServicerContext
    ) -> pb.BeginProbeResponse:
        """Writes a challenge."""
        probe = await self._prober.begin()
        return pb.BeginProbeResponse(
            probe_id=probe.probe_id,
            challenge_path=str(probe.challenge_path),
            answer_path=str(probe.answer_path),
        )

    async def FinishProbe(  # noqa: N802
        self, request: pb.FinishProbeRequest, context: grpc.aio.ServicerContext
    ) -> pb.FinishProbeResponse:
        """Compares."""
        mapped = await self._prober.finish(request.probe_id, request.challenge, request.answer)
        return pb.FinishProbeResponse(mapped=mapped)

    async def CreateBlob(  # noqa: N802
        self, request: pb.CreateBlobRequest, context: grpc.aio.ServicerContext
    ) -> pb.CreateBlobResponse:
        """Reserves space."""
        entry = await self._blobs.create(request.layout)
        return pb.CreateBlobResponse(blob=entry.message(), path=str(entry.path) if request.mapped else "")

    async def WriteBlob(  # noqa: N802
        self, requests: AsyncIterator[pb.WriteBlobRequest], context: grpc.aio.ServicerContext
    ) -> pb.WriteBlobResponse:
        """Takes chunks and seals."""
        entry = await transfer.write(self._blobs, requests)
        return pb.WriteBlobResponse(blob=entry.message())

    async def SealBlob(  # noqa: N802
        self, request: pb.SealBlobRequest, context: grpc.aio.ServicerContext
    ) -> pb.SealBlobResponse:
        """Declares complete."""
        return pb.SealBlobResponse(blob=(await self._blobs.seal(request.name)).message())

    async def AcquireBlob(  # noqa: N802
        self, request: pb.AcquireBlobRequest, context: grpc.aio.ServicerContext
    ) -> pb.AcquireBlobResponse:
        """Takes a lease."""
        entry = self._blobs.acquire(request.name)
        return pb.AcquireBlobResponse(blob=entry.message(), path=str(entry.path))

    async def ReadBlob(  # noqa: N802
        self, request: pb.ReadBlobRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[pb.ReadBlobResponse]:
        """Sends chunks."""
        async with aclosing(transfer.read(self._blobs, request.name)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                yield chunk

    async def RenewBlob(  # noqa: N802
        self, request: pb.RenewBlobRequest, context: grpc.aio.ServicerContext
    ) -> pb.RenewBlobResponse:
        """Extends a lease."""
        return pb.RenewBlobResponse(blob=self._blobs.renew(request.name).message())

    async def ReleaseBlob(  # noqa: N802
        self, request: pb.ReleaseBlobRequest, context: grpc.aio.ServicerContext
    ) -> pb.ReleaseBlobResponse:
        """Gives a lease back."""
        await self._blobs.release(request.name)
        return pb.ReleaseBlobResponse()
