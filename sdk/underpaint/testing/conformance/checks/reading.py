"""The visible picture, as it lies in the host."""

from __future__ import annotations

from collections.abc import Callable

from underpaint.testing.conformance.check import check, expect
from underpaint.testing.conformance.compare import TOLERANCE, difference
from underpaint.testing.conformance.patterns import (
    CORNERS,
    fine,
    flat,
    glass,
    places,
    quarters,
)
from underpaint.testing.conformance.rig import Unsupported
from underpaint.testing.conformance.stage import SMALL, Stage
from underpaint.types import Bounds, ColorSpace, DataType


@check(
    "orientation",
    "What is at the canvas's top left is at the image's top left: no flip, no mirror.",
    advice="If your host's rows run upwards, declare row_order=RowOrder.BOTTOM_UP in the PixelFormat of what "
    "you read and of result_format; do not turn pixels yourself.",
    rests_on=("document-described",),
)
def orientation(stage: Stage) -> None:
    """Four grey quarters, looked at in their middles."""
    document = stage.open_painted(quarters(SMALL))
    found = stage.merged(document, SMALL)
    middles = [(x, y) for y in (SMALL.height // 4, SMALL.height * 3 // 4) for x in (14, 42)]
    top_left, top_right, low_left, low_right = (_nearest(found[y * SMALL.width + x][0]) for x, y in middles)
    greys = (top_left, top_right, low_left, low_right)
    if greys == CORNERS:
        return
    wrongs = {
        (160, 230, 30, 90): "rows arrive bottom first: set row_order=RowOrder.BOTTOM_UP in the PixelFormat",
        (90, 30, 230, 160): "columns arrive right first: left and right are swapped",
        (230, 160, 90, 30): "rows and columns arrive the wrong way round: turned by 180 degrees",
    }
    said = wrongs.get(greys, f"the quarters' greys are {greys}, {CORNERS} were painted")
    expect(False, said)


@check(
    "channel-order",
    "Red is red: channels lie in memory as PixelFormat.channels says.",
    advice="Declare what lies in memory: Channels.BGRA where blue comes first. Do not swap bytes yourself.",
    rests_on=("document-described",),
)
def channel_order(stage: Stage) -> None:
    """One flat colour, so that only channels can be wrong."""
    document = stage.open_painted(flat(230, 120, 20))
    bounds = Bounds(8, 8, 4, 4)
    image = stage.adapter.read_merged(document, bounds)
    got = stage.decoded(image, document, bounds, "read_merged")[0]
    values = tuple(_level(value) for value in got[:3])
    if max(abs(a - b) for a, b in zip(values, (230, 120, 20), strict=True)) <= 1:
        return
    if max(abs(a - b) for a, b in zip(values, (20, 120, 230), strict=True)) <= 1:
        other = "BGRA" if image.format.channels.value.startswith("rgb") else "RGBA"
        expect(False, f"red and blue are swapped: Channels.{other} (or without alpha) is what lies in memory")
    expect(False, f"the colour (230, 120, 20) arrives as {values}")


@check(
    "read-place",
    "read_merged gives exactly the pixels within the bounds, with these bounds as its place.",
    advice="Bounds are canvas coordinates, x to the right, y down from the top left; right and bottom are "
    "one "
    "past the last pixel. Look for an offset of one, for rows and columns taken for each other, and at "
    "stride.",
    rests_on=("orientation", "channel-order"),
)
def read_place(stage: Stage) -> None:
    """The whole canvas, corners, odd places, one pixel."""
    document = stage.open_painted(places)
    for bounds in (
        SMALL,
        Bounds(13, 7, 21, 17),
        Bounds(0, 0, 9, 5),
        Bounds(SMALL.width - 11, SMALL.height - 6, 11, 6),
        Bounds(SMALL.width - 1, 0, 1, SMALL.height),
        Bounds(30, 21, 1, 1),
    ):
        got, want = stage.merged(document, bounds), stage.expected(document, bounds)
        wrong = difference(got, want, bounds.width, stage.tolerance(document))
        expect(not wrong, f"reading {bounds}: {wrong}")


@check(
    "read-alpha",
    "Alpha is handed over as PixelFormat.alpha says: straight, or premultiplied.",
    advice="Declare Alpha.PREMULTIPLIED if the host's colours are multiplied by alpha, Alpha.STRAIGHT if "
    "not; "
    "do not convert.",
    rests_on=("read-place",),
)
def read_alpha(stage: Stage) -> None:
    """Glass on nothing."""
    document = stage.open_painted(glass)
    got, want = stage.merged(document, SMALL), stage.expected(document, SMALL)
    wrong = difference(got, want, SMALL.width, stage.tolerance(document))
    expect(not wrong, wrong)


def _reads(data_type: DataType, space: ColorSpace) -> Callable[[Stage], None]:
    def run(stage: Stage) -> None:
        require_format(stage, data_type, space)
        document = stage.open_painted(fine, data_type=data_type, color_space=space)
        image = stage.adapter.read_merged(document, SMALL)
        got = stage.decoded(image, document, SMALL, "read_merged")
        want = stage.expected(document, SMALL)
        tolerance = TOLERANCE[data_type]
        if image.format.color_space is not space:
            # Converted by the adapter: the curve is not exact, the tones must be right all the same.
            tolerance = max(tolerance, 2e-3)
        wrong = difference(got, want, SMALL.width, tolerance)
        expect(not wrong, f"a {data_type.value} document in {space.value}: {wrong}")

    return run


def require_format(stage: Stage, data_type: DataType, space: ColorSpace) -> None:
    """Raises `Unsupported` where the rig opens no such documents."""
    if (data_type, space) not in stage.rig.formats:
        raise Unsupported(f"the rig opens no {data_type.value} documents in {space.value} (see Rig.formats)")


for _type in DataType:
    for _space in (ColorSpace.SRGB, ColorSpace.LINEAR_REC709):
        check(
            f"read-{_type.value}-{_space.value.partition('-')[0]}",
            f"Documents of {_type.value} in {_space.value} are handed over without a loss, under their name.",
            advice="Hand over the document's own depth (PixelFormat.data_type) and name the encoding that "
            "lies "
            "in memory (PixelFormat.color_space); convert only what underpaint has no name for.",
            rests_on=("read-place",),
        )(_reads(_type, _space))


def _level(value: float) -> int:
    return round(value * 255)


def _nearest(value: float) -> int:
    """The grey of `CORNERS` that it is within two levels, or what it is."""
    level = _level(value)
    return next((grey for grey in CORNERS if abs(grey - level) <= 2), level)
