"""A picture of the virtual screen, read from the X server's own memory, with no help of a tool.

It works while the host is hung, which is when a screenshot is wanted most.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

HEADER_WORDS = 25  # of an XWD file, each a big-endian 32-bit number


def read_screen(screen: Path) -> tuple[int, int, bytes]:
    """Return (width, height, RGB bytes) of the X server's frame buffer file (XWD, 24 bits deep)."""
    data = screen.read_bytes()
    header = struct.unpack(f">{HEADER_WORDS}I", data[: HEADER_WORDS * 4])
    header_size, width, height, bytes_per_line = header[0], header[4], header[5], header[12]
    colours = header[19]
    pixels = memoryview(data)[header_size + colours * 12 :]
    rgb = bytearray(width * height * 3)
    for y in range(height):
        line = pixels[y * bytes_per_line : y * bytes_per_line + width * 4]
        row = slice(y * width * 3, (y + 1) * width * 3)
        rgb[row] = _rgb(line)
    return width, height, bytes(rgb)


def save_png(screen: Path, picture: Path) -> None:
    """Write the frame buffer file ``screen`` as a PNG."""
    width, height, rgb = read_screen(screen)
    stride = width * 3
    rows = b"".join(b"\0" + rgb[start : start + stride] for start in range(0, len(rgb), stride))
    picture.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + _chunk(b"IDAT", zlib.compress(rows, 6))
        + _chunk(b"IEND", b"")
    )


def _rgb(bgrx: memoryview) -> bytearray:
    row = bytearray(len(bgrx) // 4 * 3)
    row[0::3], row[1::3], row[2::3] = bgrx[2::4], bgrx[1::4], bgrx[0::4]
    return row


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
