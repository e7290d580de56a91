"""What a picture covers, as a mask."""

from __future__ import annotations

from dataclasses import replace

from underpaint.types import Alpha, Channels, ColorSpace, Image, PixelFormat


def coverage_of(image: Image) -> Image:
    """What a picture covers, as a mask: its alpha, or all of it without one. A mask is its own coverage.

    Rows without gaps. May be called from any thread.
    """
    format = image.format
    if format.channels is Channels.GRAY:
        return image
    mask = PixelFormat(Channels.GRAY, format.data_type, Alpha.NONE, ColorSpace.DATA, format.row_order)
    if not format.channels.has_alpha:
        whole = PixelFormat(Channels.GRAY, alpha=Alpha.NONE, color_space=ColorSpace.DATA)
        return replace(image, data=b"\xff" * (image.width * image.height), format=whole, stride=0)
    size, pixel = format.data_type.size, format.bytes_per_pixel
    data = memoryview(image.data).cast("B")
    covered = bytearray(image.width * image.height * size)
    for row in range(image.height):
        first, start = row * image.row_bytes, row * image.width * size
        line = bytes(data[first : first + image.width * pixel])
        # Alpha is the last sample of a pixel; its bytes are picked one by one, all pixels at once.
        for byte in range(size):
            end = start + image.width * size
            covered[start + byte : end : size] = line[pixel - size + byte :: pixel]
    return replace(image, data=covered, format=mask, stride=0)
