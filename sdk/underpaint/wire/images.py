"""Pixel formats and places as protobuf, and back."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final, TypeVar

from underpaint.errors import InvalidRequest, Violation
from underpaint.types import Alpha, Channels, ColorSpace, DataType, PixelFormat, ResultRef, RowOrder
from underpaint.v1 import image_pb2, job_service_pb2

MAX_EDGE: Final = 65_535
"""Widest and highest image, in pixels."""
MAX_STRIDE: Final = 2**31 - 1
"""Longest row, in bytes."""

CHANNELS: Final[Mapping[Channels, image_pb2.ChannelOrder]] = {
    Channels.GRAY: image_pb2.CHANNEL_ORDER_GRAY,
    Channels.GRAY_ALPHA: image_pb2.CHANNEL_ORDER_GRAY_ALPHA,
    Channels.RGB: image_pb2.CHANNEL_ORDER_RGB,
    Channels.BGR: image_pb2.CHANNEL_ORDER_BGR,
    Channels.RGBA: image_pb2.CHANNEL_ORDER_RGBA,
    Channels.BGRA: image_pb2.CHANNEL_ORDER_BGRA,
}
DATA_TYPES: Final[Mapping[DataType, image_pb2.DataType]] = {
    DataType.U8: image_pb2.DATA_TYPE_U8,
    DataType.U16: image_pb2.DATA_TYPE_U16,
    DataType.F16: image_pb2.DATA_TYPE_F16,
    DataType.F32: image_pb2.DATA_TYPE_F32,
}
ALPHAS: Final[Mapping[Alpha, image_pb2.AlphaMode]] = {
    Alpha.NONE: image_pb2.ALPHA_MODE_NONE,
    Alpha.STRAIGHT: image_pb2.ALPHA_MODE_STRAIGHT,
    Alpha.PREMULTIPLIED: image_pb2.ALPHA_MODE_PREMULTIPLIED,
}
COLOR_SPACES: Final[Mapping[ColorSpace, image_pb2.ColorSpace]] = {
    ColorSpace.SRGB: image_pb2.COLOR_SPACE_SRGB,
    ColorSpace.LINEAR_REC709: image_pb2.COLOR_SPACE_LINEAR_REC709,
    ColorSpace.DATA: image_pb2.COLOR_SPACE_DATA,
}
ROW_ORDERS: Final[Mapping[RowOrder, image_pb2.RowOrder]] = {
    RowOrder.TOP_DOWN: image_pb2.ROW_ORDER_TOP_DOWN,
    RowOrder.BOTTOM_UP: image_pb2.ROW_ORDER_BOTTOM_UP,
}

Kind = TypeVar("Kind", bound=enum.Enum)
Number = TypeVar("Number", bound=int)


def layout_for(
    format: PixelFormat, width: int, height: int, stride: int = 0, *, field: str = "layout"
) -> image_pb2.ImageLayout:
    """The layout of an image of `width` x `height` pixels with `stride` bytes a row (0: no gaps).

    Raises `InvalidRequest` whose violations name the fields below `field`.
    """
    _raise(
        _size_violations(format.bytes_per_pixel, format.data_type.size, width, height, stride, field), field
    )
    layout = format_to_layout(format)
    layout.width_px, layout.height_px, layout.stride_bytes = width, height, stride
    return layout


def format_to_layout(format: PixelFormat) -> image_pb2.ImageLayout:
    """A layout without a size, as in JobSpec.output_layout."""
    return image_pb2.ImageLayout(
        channel_order=CHANNELS[format.channels],
        data_type=DATA_TYPES[format.data_type],
        alpha_mode=ALPHAS[format.alpha],
        color_space=COLOR_SPACES[format.color_space],
        row_order=ROW_ORDERS[format.row_order],
    )


def format_of(layout: image_pb2.ImageLayout, *, field: str = "layout") -> PixelFormat:
    """The format of a layout; its size is ignored. Raises `InvalidRequest` for unset or unknown values."""
    violations: list[Violation] = []

    def find(table: Mapping[Kind, Number], number: int, name: str) -> Kind | None:
        for kind, value in table.items():
            if value == number:
                return kind
        known = ", ".join(kind.name for kind in table)
        violations.append(Violation(f"{field}.{name}", f"{number} is none of {known}"))
        return None

    channels = find(CHANNELS, layout.channel_order, "channel_order")
    data_type = find(DATA_TYPES, layout.data_type, "data_type")
    alpha = find(ALPHAS, layout.alpha_mode, "alpha_mode")
    color_space = find(COLOR_SPACES, layout.color_space, "color_space")
    row_order = find(ROW_ORDERS, layout.row_order, "row_order")
    if channels is not None and alpha is not None and channels.has_alpha == (alpha is Alpha.NONE):
        violations.append(
            Violation(f"{field}.alpha_mode", f"{alpha.name} does not go with channels {channels.name}")
        )
    if not (channels and data_type and alpha and color_space and row_order) or violations:
        raise _invalid(violations, field)
    return PixelFormat(channels, data_type, alpha, color_space, row_order)


def layout_bytes(layout: image_pb2.ImageLayout, *, field: str = "layout") -> int:
    """Bytes of all rows, row gaps included. Raises `InvalidRequest` where the layout makes no sense."""
    format = format_of(layout, field=field)
    width, height, stride = layout.width_px, layout.height_px, layout.stride_bytes
    _raise(
        _size_violations(format.bytes_per_pixel, format.data_type.size, width, height, stride, field), field
    )
    return (stride or width * format.bytes_per_pixel) * height


def result_to_ref(result: job_service_pb2.JobResult) -> ResultRef:
    """A finished picture of a job."""
    layout = result.layout
    return ResultRef(
        blob=result.image.blob,
        width=layout.width_px,
        height=layout.height_px,
        format=format_of(layout),
        x=result.image.x_px,
        y=result.image.y_px,
        stride=layout.stride_bytes,
        sha256=result.sha256,
    )


def _size_violations(
    pixel: int, sample: int, width: int, height: int, stride: int, field: str
) -> list[Violation]:
    found = [
        Violation(f"{field}.{name}", f"must be 1 to {MAX_EDGE} pixels, got {value}")
        for name, value in (("width_px", width), ("height_px", height))
        if not 1 <= value <= MAX_EDGE
    ]
    if not found and stride and not width * pixel <= stride <= MAX_STRIDE:
        found.append(
            Violation(
                f"{field}.stride_bytes",
                f"must be 0 or {width * pixel} to {MAX_STRIDE} bytes for {width} pixels, got {stride}",
            )
        )
    elif not found and stride % sample:
        found.append(
            Violation(f"{field}.stride_bytes", f"must be a multiple of {sample} bytes, got {stride}")
        )
    return found


def _raise(violations: list[Violation], field: str) -> None:
    if violations:
        raise _invalid(violations, field)


def _invalid(violations: list[Violation], field: str) -> InvalidRequest:
    details = "; ".join(f"{found.field} {found.description}" for found in violations)
    return InvalidRequest(f"The {field} of the image is not valid: {details}.", violations=violations)
