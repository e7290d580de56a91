"""Pixels in and out, through mapped files where the daemon sees the same ones, else in chunks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

from underpaint.client.leases import Leases
from underpaint.client.link import CALL_TIMEOUT, Connection, Link
from underpaint.client.probing import sees_our_files
from underpaint.errors import BlobNotFound, BlobStateError, InvalidRequest
from underpaint.pixels.chunks import Assembly, chunks
from underpaint.pixels.files import map_readonly, write_into
from underpaint.types import Image
from underpaint.v1 import blob_service_pb2, image_pb2
from underpaint.wire.images import format_of, layout_bytes, layout_for

MODES: Final = ("auto", "chunks")


class _Unmappable(Exception):
    """The file cannot be used from here, whatever the probe said."""


class Transport(Protocol):
    """One way of moving pixels."""

    async def send(self, connection: Connection, layout: image_pb2.ImageLayout, pixels: memoryview) -> str:
        """Brings pixels into a new blob, which we then hold a lease on; returns its name."""

    async def receive(
        self, connection: Connection, found: blob_service_pb2.AcquireBlobResponse
    ) -> memoryview:
        """The pixels of a blob that we hold a lease on, read-only; gives the lease back when it can."""


class MappedPixels:
    """Through a file that both sides see: one copy up, none down."""

    def __init__(self, leases: Leases) -> None:
        self._leases = leases

    async def send(self, connection: Connection, layout: image_pb2.ImageLayout, pixels: memoryview) -> str:
        """Copies into the file that the daemon allocated, in a thread of its own."""
        created = await _create(connection, layout, mapped=True)
        name = created.blob.name
        self._leases.hold(created.blob)
        try:
            try:
                await asyncio.to_thread(write_into, Path(created.path), pixels)
            except (OSError, BlobNotFound, BlobStateError) as error:
                raise _Unmappable(str(error)) from error
            await connection.wire.unary(
                blob_service_pb2.SealBlobRequest(name=name), blob_service_pb2.SealBlobResponse, CALL_TIMEOUT
            )
        except BaseException:
            self._leases.drop(name)
            raise
        return name

    async def receive(
        self, connection: Connection, found: blob_service_pb2.AcquireBlobResponse
    ) -> memoryview:
        """Maps the file; the lease lasts until the last view of the map is gone."""
        name = found.blob.name
        try:
            view = await asyncio.to_thread(map_readonly, Path(found.path), layout_bytes(found.blob.layout))
        except (OSError, BlobNotFound, BlobStateError) as error:
            raise _Unmappable(str(error)) from error
        finalizer = weakref.finalize(view.obj, _drop_here, self._leases, name, os.getpid())
        finalizer.atexit = False
        return view


class ChunkedPixels:
    """Through the connection, in pieces of about 1 MiB."""

    def __init__(self, leases: Leases) -> None:
        self._leases = leases

    async def send(self, connection: Connection, layout: image_pb2.ImageLayout, pixels: memoryview) -> str:
        """Streams the pixels, as fast as the daemon takes them."""
        created = await _create(connection, layout, mapped=False)
        name = created.blob.name
        self._leases.hold(created.blob)
        try:
            await connection.wire.up(
                _pieces(name, pixels), blob_service_pb2.WriteBlobRequest, blob_service_pb2.WriteBlobResponse
            )
        except BaseException:
            self._leases.drop(name)
            raise
        return name

    async def receive(
        self, connection: Connection, found: blob_service_pb2.AcquireBlobResponse
    ) -> memoryview:
        """Collects the pieces; the lease ends with the last one."""
        name = found.blob.name
        target = bytearray(layout_bytes(found.blob.layout))
        assembly = Assembly(memoryview(target))
        request = blob_service_pb2.ReadBlobRequest(name=name)
        stream = connection.wire.down(request, blob_service_pb2.ReadBlobResponse)
        async with contextlib.aclosing(stream) as pieces:
            async for piece in pieces:
                assembly.add(piece.offset_bytes, piece.data)
        assembly.finish()
        self._leases.drop(name)
        return memoryview(target).toreadonly()


class PixelPlane:
    """Chooses the transport, once a connection. Lives on one event loop."""

    def __init__(self, link: Link, leases: Leases, mode: str) -> None:
        if mode not in MODES:
            raise InvalidRequest(f"pixels must be one of {', '.join(MODES)}, got {mode!r}")
        self._link = link
        self._leases = leases
        self._mode = mode
        self._mapped = MappedPixels(leases)
        self._chunked = ChunkedPixels(leases)

    async def transport(self, connection: Connection) -> Transport:
        """The way to move pixels over a connection."""
        if connection.mapped is None:
            connection.mapped = self._mode != "chunks" and await sees_our_files(connection)
        return self._mapped if connection.mapped else self._chunked

    async def upload(self, image: Image) -> image_pb2.ImageRef:
        """Brings an image to the daemon. The lease on it is ours until it is dropped."""
        layout = layout_for(image.format, image.width, image.height, image.stride)
        pixels = _bytes_of(image)

        async def send(connection: Connection) -> str:
            transport = await self.transport(connection)
            try:
                return await transport.send(connection, layout, pixels)
            except _Unmappable:
                connection.mapped = False
                return await self._chunked.send(connection, layout, pixels)

        return image_pb2.ImageRef(blob=await self._link.run(send), x_px=image.x, y_px=image.y)

    async def download(self, blob: str, x: int, y: int) -> Image:
        """The image behind a blob, placed at (x, y)."""

        async def receive(connection: Connection) -> Image:
            transport = await self.transport(connection)
            found = await connection.wire.unary(
                blob_service_pb2.AcquireBlobRequest(name=blob),
                blob_service_pb2.AcquireBlobResponse,
                CALL_TIMEOUT,
            )
            self._leases.hold(found.blob)
            try:
                try:
                    view = await transport.receive(connection, found)
                except _Unmappable:
                    connection.mapped = False
                    view = await self._chunked.receive(connection, found)
            except BaseException:
                self._leases.drop(blob)
                raise
            layout = found.blob.layout
            return Image(
                layout.width_px, layout.height_px, view, format_of(layout), x, y, int(layout.stride_bytes)
            )

        return await self._link.run(receive)


def _drop_here(leases: Leases, name: str, pid: int) -> None:
    # A forked child has the map too; the lease is its parent's.
    if pid == os.getpid():
        leases.drop_soon(name)


def _bytes_of(image: Image) -> memoryview:
    try:
        return memoryview(image.data).cast("B")[: image.size_bytes]
    except TypeError as error:
        raise InvalidRequest(f"The pixels of an image must be contiguous in memory: {error}.") from error


def _pieces(name: str, pixels: memoryview) -> Iterator[blob_service_pb2.WriteBlobRequest]:
    offset = 0
    for piece in chunks(pixels):
        yield blob_service_pb2.WriteBlobRequest(name=name, offset_bytes=offset, data=bytes(piece))
        offset += len(piece)


async def _create(
    connection: Connection, layout: image_pb2.ImageLayout, *, mapped: bool
) -> blob_service_pb2.CreateBlobResponse:
    return await connection.wire.unary(
        blob_service_pb2.CreateBlobRequest(layout=layout, mapped=mapped),
        blob_service_pb2.CreateBlobResponse,
        # Reserving gigabytes takes its time where the file system writes zeros for it.
        10 * CALL_TIMEOUT,
    )
