"""The pixel plane of the fake daemon: real files, leases, a quota, a probe."""

# ruff: noqa: N802 - the protocol names these methods

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from underpaint.errors import BlobNotFound, BlobStateError
from underpaint.pixels.chunks import Assembly, chunks
from underpaint.pixels.files import allocate, map_readonly, map_writable, storage_full
from underpaint.v1 import blob_service_pb2 as pb
from underpaint.v1 import blob_service_pb2_grpc, image_pb2
from underpaint.wire.images import layout_bytes


@dataclass
class FakeBlob:
    """A blob: a file, and who still wants it."""

    name: str
    layout: image_pb2.ImageLayout
    size: int
    path: Path
    sealed: bool = False
    leases: int = 0
    jobs: int = 0
    expires: float = 0.0


@dataclass
class FakeBlobs(blob_service_pb2_grpc.BlobServiceServicer):
    """The service and its store. `renewals` counts, for tests of leases."""

    folder: Path
    mapped: bool = True
    quota: int = 1 << 32
    lease_seconds: float = 60.0
    found: dict[str, FakeBlob] = field(default_factory=dict)
    renewals: int = 0
    _probes: dict[str, tuple[bytes, Path, Path]] = field(default_factory=dict)

    def put(self, layout: image_pb2.ImageLayout, pixels: bytes) -> FakeBlob:
        """A sealed blob that a job holds."""
        blob = self.reserve(layout)
        blob.path.write_bytes(pixels)
        blob.sealed, blob.jobs, blob.expires = True, 1, 1.0  # no lease, only the job keeps it
        return blob

    def reserve(self, layout: image_pb2.ImageLayout) -> FakeBlob:
        """An open blob with a file of its full size. Raises `StorageFull` over the quota."""
        self.sweep()
        size = layout_bytes(layout)
        if sum(blob.size for blob in self.found.values()) + size > self.quota:
            raise storage_full(self.folder, size)
        name = secrets.token_hex(8)
        path = self.folder / name
        allocate(path, size)
        self.found[f"blobs/{name}"] = blob = FakeBlob(f"blobs/{name}", layout, size, path)
        return blob

    def get(self, name: str) -> FakeBlob:
        """A blob by name. Raises `BlobNotFound`."""
        self.sweep()
        if name not in self.found:
            raise BlobNotFound(f"{name} is gone: upload the image again.", metadata={"blob": name})
        return self.found[name]

    def sealed(self, name: str) -> FakeBlob:
        """A blob that can be read. Raises `BlobNotFound`, `BlobStateError`."""
        blob = self.get(name)
        if not blob.sealed:
            raise BlobStateError(f"{name} is still being written: seal it first.", metadata={"blob": name})
        return blob

    def drop_job(self, name: str) -> None:
        """A job needs a blob no more."""
        if name in self.found:
            self.found[name].jobs -= 1
            self.sweep()

    def sweep(self) -> None:
        """Unlinks what no lease and no job refers to."""
        now = time.time()
        for blob in list(self.found.values()):
            if blob.expires < now:
                blob.leases = 0
            if blob.jobs <= 0 and blob.leases <= 0 and blob.expires > 0:
                blob.path.unlink(missing_ok=True)
                del self.found[blob.name]

    def clear(self) -> None:
        """Forgets everything that is not a job's, as a restart does."""
        for blob in self.found.values():
            blob.leases, blob.expires = 0, 1.0
        self.sweep()

    def forget(self) -> None:
        """Gives up everything, jobs' pixels too."""
        for blob in self.found.values():
            blob.jobs = 0
        self.clear()

    async def BeginProbe(self, request: pb.BeginProbeRequest, context: Any) -> pb.BeginProbeResponse:
        """Writes a secret."""
        probe, secret = secrets.token_hex(8), secrets.token_bytes(32)
        challenge, answer = self.folder / f"{probe}.challenge", self.folder / f"{probe}.answer"
        challenge.write_bytes(secret)
        answer.write_bytes(bytes(32))
        self._probes[probe] = secret, challenge, answer
        if not self.mapped:
            # As from a sandbox that sees another folder at this path.
            challenge, answer = self.folder / "unseen" / "challenge", self.folder / "unseen" / "answer"
        return pb.BeginProbeResponse(probe_id=probe, challenge_path=str(challenge), answer_path=str(answer))

    async def FinishProbe(self, request: pb.FinishProbeRequest, context: Any) -> pb.FinishProbeResponse:
        """Compares."""
        secret, challenge, answer = self._probes.pop(request.probe_id)
        agreed = request.challenge == secret and answer.read_bytes() == request.answer
        challenge.unlink()
        answer.unlink()
        return pb.FinishProbeResponse(mapped=agreed)

    async def CreateBlob(self, request: pb.CreateBlobRequest, context: Any) -> pb.CreateBlobResponse:
        """Reserves a blob and gives a lease on it."""
        blob = self.reserve(request.layout)
        blob.leases = 1
        path = str(blob.path) if request.mapped else ""
        return pb.CreateBlobResponse(blob=self._message(blob, renew=True), path=path)

    async def WriteBlob(
        self, requests: AsyncIterator[pb.WriteBlobRequest], context: Any
    ) -> pb.WriteBlobResponse:
        """Takes chunks in order."""
        blob: FakeBlob | None = None
        first = await anext(requests)
        blob = self.get(first.name)
        with map_writable(blob.path, blob.size) as target:
            assembly = Assembly(target)
            assembly.add(first.offset_bytes, first.data)
            async for request in requests:
                assembly.add(request.offset_bytes, request.data)
            assembly.finish()
        blob.sealed = True
        return pb.WriteBlobResponse(blob=self._message(blob))

    async def SealBlob(self, request: pb.SealBlobRequest, context: Any) -> pb.SealBlobResponse:
        """Declares a mapped blob complete."""
        blob = self.get(request.name)
        blob.sealed = True
        return pb.SealBlobResponse(blob=self._message(blob))

    async def AcquireBlob(self, request: pb.AcquireBlobRequest, context: Any) -> pb.AcquireBlobResponse:
        """Gives a lease."""
        blob = self.sealed(request.name)
        blob.leases += 1
        return pb.AcquireBlobResponse(blob=self._message(blob, renew=True), path=str(blob.path))

    async def ReadBlob(self, request: pb.ReadBlobRequest, context: Any) -> AsyncIterator[pb.ReadBlobResponse]:
        """Sends chunks."""
        blob = self.sealed(request.name)
        offset = 0
        for piece in chunks(map_readonly(blob.path, blob.size)):
            yield pb.ReadBlobResponse(offset_bytes=offset, data=bytes(piece))
            offset += len(piece)

    async def RenewBlob(self, request: pb.RenewBlobRequest, context: Any) -> pb.RenewBlobResponse:
        """Extends a lease."""
        self.renewals += 1
        return pb.RenewBlobResponse(blob=self._message(self.get(request.name), renew=True))

    async def ReleaseBlob(self, request: pb.ReleaseBlobRequest, context: Any) -> pb.ReleaseBlobResponse:
        """Takes a lease back."""
        blob = self.found.get(request.name)
        if blob is not None:
            blob.leases -= 1
            self.sweep()
        return pb.ReleaseBlobResponse()

    def _message(self, blob: FakeBlob, *, renew: bool = False) -> pb.Blob:
        if renew:
            blob.expires = time.time() + self.lease_seconds
        message = pb.Blob(
            name=blob.name,
            layout=blob.layout,
            size_bytes=blob.size,
            state=pb.BLOB_STATE_SEALED if blob.sealed else pb.BLOB_STATE_OPEN,
        )
        message.lease_expire_time.FromMilliseconds(int(blob.expires * 1000))
        return message
