"""PNG files in 8 and 16 bits, read under limits and written row by row.

Pillow has no 16-bit colour: it is read here through Pillow's own decoder, a byte of each number at a time.
It also wants a whole picture before it writes one; a canvas of 16384 px would be a gigabyte.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import TracebackType
from typing import IO, Final

import numpy as np
import numpy.typing as npt
from PIL import Image as Pictures
from PIL import ImageCms
from PIL.PngImagePlugin import PngImageFile

from underpaint.testing.reference.samples import Samples, deepened

_CHUNK: Final = 1 << 20
_METRE: Final = 0.0254
# What Pillow's PNG reader raises for a broken file; SyntaxError is its word for "not mine".
BROKEN: Final = (OSError, SyntaxError, ValueError, IndexError, EOFError, struct.error, zlib.error)


@dataclass(frozen=True, slots=True)
class Png:
    """A PNG file's contents."""

    samples: Samples
    """RGBA, u8 or u16."""
    profile: bytes = b""
    """ICC profile of RGB colours."""
    resolution: tuple[int, int] | None = None
    """Pixels an inch."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """Text chunks by their keys."""


class PngFile:
    """A PNG file whose header has been read, and nothing else. Raises one of `BROKEN`."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        # Not Image.open: it tries every format that Pillow knows, and has one limit for a whole process.
        self._picture = PngImageFile(stream)
        self.width, self.height = self._picture.size

    def read(self) -> Png:
        """The pixels. Raises one of `BROKEN`."""
        raw = self._picture.tile[0].args
        info = self._picture.info
        profile = info.get("icc_profile") or b""
        dpi = info.get("dpi")
        resolution = (round(dpi[0]), round(dpi[1])) if dpi and min(dpi) >= 1 else None
        texts = {str(key): str(value) for key, value in self._picture.text.items()}
        return Png(self._samples(str(raw)), profile if is_rgb_profile(profile) else b"", resolution, texts)

    def _samples(self, raw: str) -> Samples:
        if raw in ("RGB;16B", "RGBA;16B"):
            high = np.asarray(self._picture.convert("RGBA"), np.uint8)
            low = np.asarray(self._again(raw.replace("16B", "16L")).convert("RGBA"), np.uint8)
            found = (high.astype(np.uint16) << 8) | low
            if raw == "RGB;16B":
                found[..., 3] = 65535
            return found
        if raw == "I;16B":
            grey = np.asarray(self._picture).astype(np.uint16)
            return np.stack([grey, grey, grey, np.full_like(grey, 65535)], axis=2)
        rgba = np.array(self._picture.convert("RGBA"), np.uint8)
        return deepened(rgba) if raw == "LA;16B" else rgba

    def _again(self, raw: str) -> PngImageFile:
        """The same file with another way to unpack it: the decoder is told to take the lower bytes."""
        self._stream.seek(0)
        picture = PngImageFile(self._stream)
        picture.tile = [tile._replace(args=raw) for tile in picture.tile]
        return picture


class PngWriter:
    """Writes RGBA rows as they come; the file is whole after `close`, or at the end of a `with`."""

    def __init__(
        self,
        stream: IO[bytes],
        width: int,
        height: int,
        *,
        deep: bool,
        profile: bytes = b"",
        resolution: tuple[int, int] | None = None,
        texts: Mapping[str, str] | None = None,
    ) -> None:
        self._stream = stream
        self._deep = deep
        self._pack = zlib.compressobj(6)
        self._waiting = bytearray()
        stream.write(b"\x89PNG\r\n\x1a\n")
        self._put(b"IHDR", struct.pack(">IIBBBBB", width, height, 16 if deep else 8, 6, 0, 0, 0))
        # Krita asks its user which profile a deep picture has, sRGB chunk or not, and offers linear light.
        profile = profile or (srgb_profile() if deep else b"")
        if profile:
            self._put(b"iCCP", b"ICC profile\0\0" + zlib.compress(profile))
        else:
            self._put(b"sRGB", b"\0")
        if resolution is not None:
            across, down = (round(value / _METRE) for value in resolution)
            self._put(b"pHYs", struct.pack(">IIB", across, down, 1))
        for key, text in (texts or {}).items():
            # Keyword, not compressed, no language, no translated keyword.
            self._put(b"iTXt", key.encode("latin-1") + b"\0\0\0\0\0" + text.encode())

    def __enter__(self) -> PngWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()

    def write(self, rows: Samples) -> None:
        """The next rows from the top, `(count, width, 4)`, in the depth of the file."""
        count, width = rows.shape[:2]
        step = 8 if self._deep else 4
        lying = np.ascontiguousarray(rows, ">u2" if self._deep else "u1").view(np.uint8)
        lying = lying.reshape(count, width * step)
        packed = np.empty((count, width * step + 1), np.uint8)
        packed[:, 0] = 1  # every byte as the difference to the pixel on its left
        packed[:, 1 : step + 1] = lying[:, :step]
        np.subtract(lying[:, step:], lying[:, :-step], out=packed[:, step + 1 :])
        self._waiting += self._pack.compress(packed.data)
        if len(self._waiting) >= _CHUNK:
            self._flush()

    def close(self) -> None:
        """Writes what is left and the end mark."""
        self._waiting += self._pack.flush()
        self._flush()
        self._put(b"IEND", b"")

    def _flush(self) -> None:
        if self._waiting:
            self._put(b"IDAT", bytes(self._waiting))
            self._waiting.clear()

    def _put(self, kind: bytes, data: bytes) -> None:
        self._stream.write(struct.pack(">I", len(data)) + kind + data)
        self._stream.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))))


@cache
def srgb_profile() -> bytes:
    """An ICC profile of sRGB; b"" where Pillow was built without colour management."""
    try:
        made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    except ImportError:
        return b""
    # The time of making lies in the header: the same picture shall be the same file.
    return made[:24] + struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + made[36:]


def is_rgb_profile(profile: bytes) -> bool:
    """Whether an ICC profile describes RGB colours (its header says so at byte 16)."""
    return profile[16:20] == b"RGB "


def thumbnail_of(rows: npt.NDArray[np.uint8], shrink: int) -> Pictures.Image:
    """RGBA rows, `shrink` times smaller, averaged with alpha as weight."""
    return Pictures.fromarray(rows).convert("RGBa").reduce(shrink).convert("RGBA")
