"""The selection, as a soft mask."""

from __future__ import annotations

from underpaint.host import Capability
from underpaint.testing.conformance.check import Failed, check, expect
from underpaint.testing.conformance.codec import Color, decode
from underpaint.testing.conformance.compare import TOLERANCE, difference
from underpaint.testing.conformance.patterns import coverage, hard_mask, soft_mask
from underpaint.testing.conformance.stage import SMALL, Stage, columns, rows
from underpaint.types import Bounds, Channels, ColorSpace, DataType, Image

SELECTION = (Capability.SELECTION,)
_SOFT = 2 / 255


def _read(stage: Stage, document: str, bounds: Bounds) -> list[Color]:
    image = stage.adapter.read_selection(document, bounds)
    expect(isinstance(image, Image), f"read_selection returned {type(image).__name__}, not an Image")
    expect(image.bounds == bounds, f"read_selection was asked for {bounds} and gave {image.bounds}")
    format = image.format
    expect(
        format.channels is Channels.GRAY and format.color_space is ColorSpace.DATA,
        f"a selection is Channels.GRAY and ColorSpace.DATA, not {format.channels} and {format.color_space}",
    )
    return decode(image)


def _want(mask: Image, bounds: Bounds) -> list[Color]:
    values = [coverage(mask, x, y) / 255 for y in rows(bounds) for x in columns(bounds)]
    return [(value, value, value, 1.0) for value in values]


@check(
    "no-selection",
    "Where nothing is selected, selection_bounds is None.",
    advice="Return None, also for a selection that the user cleared; not the whole canvas, not an empty "
    "Bounds.",
    needs=SELECTION,
    rests_on=("document-described",),
)
def no_selection(stage: Stage) -> None:
    """Never selected; selected and cleared."""
    document = stage.open_painted()
    found = stage.adapter.selection_bounds(document)
    expect(found is None, f"nothing is selected, and selection_bounds is {found}")
    stage.rig.select(document, hard_mask(Bounds(5, 5, 8, 8)))
    stage.rig.select(document, None)
    found = stage.adapter.selection_bounds(document)
    expect(found is None, f"the selection was cleared, and selection_bounds is {found}")


@check(
    "selection-polarity",
    "Selected is 1 (255), not selected is 0: what is selected is what is painted anew.",
    advice="Hand over coverage as it is meant: 255 inside the selection. Invert it only if your host "
    "stores it "
    "inverted.",
    needs=SELECTION,
    rests_on=("document-described",),
)
def selection_polarity(stage: Stage) -> None:
    """Well inside and well outside of a rectangle."""
    document = stage.open_painted()
    selected = Bounds(16, 10, 24, 20)
    stage.rig.select(document, hard_mask(selected))
    found = _read(stage, document, SMALL)
    inside, outside = found[20 * SMALL.width + 28][0], found[4 * SMALL.width + 4][0]
    if (inside, outside) == (0, 1):
        raise Failed("the mask is inverted: 0 where the user selected, 255 elsewhere")
    expect(
        inside > 0.99 and outside < 0.01,
        f"in the middle of a selection there is {inside:.3g}, outside {outside:.3g}: 1 and 0 were due",
    )


@check(
    "selection-bounds",
    "selection_bounds is the smallest rectangle around every pixel that is selected at all.",
    advice="Count pixels of any coverage above 0, also 1 of 255; add no margin, and no pixel too few at "
    "right "
    "and bottom. Bounds are canvas coordinates.",
    needs=SELECTION,
    rests_on=("selection-polarity",),
)
def selection_bounds(stage: Stage) -> None:
    """Rectangles in the middle and in corners, one pixel, the whole canvas."""
    document = stage.open_painted()
    for selected in (
        Bounds(16, 10, 24, 20),
        Bounds(0, 0, 7, 5),
        Bounds(SMALL.width - 9, SMALL.height - 4, 9, 4),
        Bounds(31, 22, 1, 1),
        SMALL,
    ):
        stage.rig.select(document, hard_mask(selected))
        found = stage.adapter.selection_bounds(document)
        expect(found == selected, f"{selected} is selected, selection_bounds is {found}")


@check(
    "selection-soft",
    "A soft selection arrives soft, pixel by pixel at its place.",
    advice="Hand over the coverage of each pixel, 0 to 255 (or 0.0 to 1.0 in a float format), not a bit; "
    "do not "
    "blur or sharpen it. Bounds are canvas coordinates.",
    needs=SELECTION,
    rests_on=("selection-polarity", "selection-bounds"),
)
def selection_soft(stage: Stage) -> None:
    """Every coverage from 1 to 255, read in several cuts."""
    document = stage.open_painted()
    mask = soft_mask(Bounds(11, 8, 30, 23))
    stage.rig.select(document, mask)
    found = stage.adapter.selection_bounds(document)
    expect(found == mask.bounds, f"{mask.bounds} is selected softly, selection_bounds is {found}")
    for bounds in (SMALL, mask.bounds, Bounds(3, 5, 20, 12), Bounds(30, 20, 26, 20)):
        got, want = _read(stage, document, bounds), _want(mask, bounds)
        if wrong := difference(got, want, bounds.width, _SOFT, mask=True):
            levels = {round(pixel[0] * 255) for pixel in got}
            if levels <= {0, 255}:
                wrong = "the selection is hardened: it arrives as 0 and 255 only, soft edges are lost"
            expect(False, f"reading {bounds}: {wrong}")


@check(
    "selection-off-canvas",
    "What is selected beside the canvas does not count: bounds lie inside the canvas, or there are none.",
    advice="Intersect the host's selection with the canvas before you return its bounds, and return None if "
    "nothing is left.",
    needs=SELECTION,
    rests_on=("no-selection", "selection-bounds", "selection-soft"),
)
def selection_off_canvas(stage: Stage) -> None:
    """Over each edge, then wholly beside."""
    document = stage.open_painted()
    for selected in (Bounds(-6, -4, 20, 14), Bounds(SMALL.width - 10, SMALL.height - 7, 30, 30)):
        stage.rig.select(document, hard_mask(selected))
        found, want = stage.adapter.selection_bounds(document), selected.intersect(SMALL)
        expect(
            found == want, f"{selected} is selected, inside the canvas is {want}; selection_bounds is {found}"
        )
        wrong = difference(
            _read(stage, document, SMALL),
            _want(hard_mask(selected), SMALL),
            SMALL.width,
            TOLERANCE[DataType.U8],
            mask=True,
        )
        expect(not wrong, f"{selected} is selected: {wrong}")
    stage.rig.select(document, hard_mask(Bounds(SMALL.width + 5, 3, 10, 10)))
    found = stage.adapter.selection_bounds(document)
    expect(found is None, f"only what lies beside the canvas is selected, and selection_bounds is {found}")
