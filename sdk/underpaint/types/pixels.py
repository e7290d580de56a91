"""How pixels lie in memory, and pictures."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TypeAlias

from underpaint.types.places import Bounds

Buffer: TypeAlias = "bytes | bytearray | memoryview"


class Channels(enum.Enum):
    """Channels in memory order."""

    GRAY = "gray"
    GRAY_ALPHA = "gray-alpha"
    RGB = "rgb"
    BGR = "bgr"
    RGBA = "rgba"
    BGRA = "bgra"

    @property
    def count(self) -> int:
        """Channels a pixel."""
        return {"gray": 1, "gray-alpha": 2, "rgb": 3, "bgr": 3}.get(self.value, 4)

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is alpha."""
        return self.count in (2, 4)


class DataType(enum.Enum):
    """Number format of one channel, in the machine's byte order."""

    U8 = "u8"
    U16 = "u16"
    F16 = "f16"
    F32 = "f32"

    @property
    def size(self) -> int:
        """Bytes a channel."""
        return {"u8": 1, "u16": 2, "f16": 2, "f32": 4}[self.value]


class Alpha(enum.Enum):
    """How alpha relates to colour."""

    NONE = "none"
    STRAIGHT = "straight"
    PREMULTIPLIED = "premultiplied"


class ColorSpace(enum.Enum):
    """Colour space of the colour channels. Anything else is converted by the host."""

    SRGB = "srgb"
    LINEAR_REC709 = "linear-rec709"
    DATA = "data"


class RowOrder(enum.Enum):
    """Which row lies first in memory."""

    TOP_DOWN = "top-down"
    BOTTOM_UP = "bottom-up"


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """How pixels lie in memory, their size aside. The default is what PNG files hold."""

    channels: Channels = Channels.RGBA
    data_type: DataType = DataType.U8
    alpha: Alpha = Alpha.STRAIGHT
    color_space: ColorSpace = ColorSpace.SRGB
    row_order: RowOrder = RowOrder.TOP_DOWN

    def __post_init__(self) -> None:
        if self.channels.has_alpha == (self.alpha is Alpha.NONE):
            raise ValueError(f"{self.channels.value} does not go with alpha {self.alpha.value}")

    @property
    def bytes_per_pixel(self) -> int:
        """Bytes from one pixel to the next in a row."""
        return self.channels.count * self.data_type.size


MASK_FORMAT = PixelFormat(Channels.GRAY, DataType.U8, Alpha.NONE, ColorSpace.DATA)


@dataclass(frozen=True, slots=True)
class Image:
    """Pixels with their format and their place on the canvas.

    `data` holds at least `stride * height` bytes; whoever made the image owns it and keeps it unchanged
    as long as the image is in use. `stride` 0 means rows without a gap.
    """

    width: int
    height: int
    data: Buffer
    format: PixelFormat = PixelFormat()
    x: int = 0
    y: int = 0
    stride: int = 0

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"an image has at least one pixel, got {self.width}x{self.height}")
        if self.row_bytes < self.width * self.format.bytes_per_pixel:
            raise ValueError(f"stride {self.stride} is too short for {self.width} pixels")
        given = memoryview(self.data).nbytes
        if given < self.size_bytes:
            raise ValueError(f"{self.width}x{self.height} needs {self.size_bytes} bytes, got {given}")

    @property
    def row_bytes(self) -> int:
        """Bytes from one row to the next."""
        return self.stride or self.width * self.format.bytes_per_pixel

    @property
    def size_bytes(self) -> int:
        """Bytes of all rows."""
        return self.row_bytes * self.height

    @property
    def bounds(self) -> Bounds:
        """Its place on the canvas."""
        return Bounds(self.x, self.y, self.width, self.height)
