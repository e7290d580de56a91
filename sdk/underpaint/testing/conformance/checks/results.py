"""Results on their way into a document."""

from __future__ import annotations

from collections.abc import Callable

from underpaint.host import Capability, ResultKind
from underpaint.testing.conformance.check import check, expect
from underpaint.testing.conformance.checks.reading import require_format
from underpaint.testing.conformance.codec import Color, Pattern
from underpaint.testing.conformance.compare import TOLERANCE, difference
from underpaint.testing.conformance.patterns import fine, flat, glass, places
from underpaint.testing.conformance.rig import Unsupported
from underpaint.testing.conformance.stage import SMALL, Stage, columns, rows
from underpaint.types import Bounds, ColorSpace, DataType

_PLACE = Bounds(13, 9, 24, 17)


def _other(x: int, y: int) -> Color:
    return places(x + 40, y + 13)


def laid(before: list[Color], canvas: Bounds, place: Bounds, pattern: Pattern) -> list[Color]:
    """A picture of the canvas with an opaque (or absent) pattern over it within `place`."""
    after = list(before)
    part = place.intersect(canvas)
    for y in rows(part):
        for x in columns(part):
            color = pattern(x, y)
            if color[3]:
                after[y * canvas.width + x] = color
    return after


def _expect_result(stage: Stage, document: str, place: Bounds, pattern: Pattern, gap: int = 0) -> None:
    before = stage.seen(document)
    stage.adapter.write_result(stage.result(document, place, pattern, gap=gap))
    after = stage.seen(document)
    part = place.intersect(SMALL)
    got = [after[y * SMALL.width + x] for y in rows(part) for x in columns(part)]
    want = [pattern(x, y) for y in rows(part) for x in columns(part)]
    wrong = difference(got, want, part.width, stage.tolerance(document))
    if wrong and after == before:
        wrong = "nothing is seen of it: the picture is as it was"
    expect(not wrong, f"a result at {place}: {wrong}")
    canvas = stage.adapter.canvas()
    size = (canvas.width, canvas.height)
    expect(size == (SMALL.width, SMALL.height), f"the canvas is {size} after the result: it must not grow")


@check(
    "result-place",
    "A result is seen at its place, pixel by pixel.",
    advice="Image.x and Image.y are canvas coordinates of its top left pixel. Rows lie as result_format "
    "says: "
    "top row first, unless you asked for RowOrder.BOTTOM_UP.",
    rests_on=("document-described",),
)
def result_place(stage: Stage) -> None:
    """Twice, at different places."""
    document = stage.open_painted()
    _expect_result(stage, document, _PLACE, _other)
    _expect_result(stage, document, Bounds(0, SMALL.height - 11, 19, 11), flat(250, 240, 10))


@check(
    "result-over-edge",
    "A result that hangs over the canvas is placed all the same; the canvas stays as large as it is.",
    advice="Clip the result, or let the layer hang over; never move it inside, never grow the canvas.",
    rests_on=("result-place",),
)
def result_over_edge(stage: Stage) -> None:
    """Over the top left, over the bottom right."""
    document = stage.open_painted()
    _expect_result(stage, document, Bounds(-7, -5, 24, 17), _other)
    _expect_result(stage, document, Bounds(SMALL.width - 15, SMALL.height - 9, 24, 17), _other)


@check(
    "result-stride",
    "Rows of a result may have gaps: Image.row_bytes counts, not the width.",
    advice="Step from row to row by image.row_bytes; the data is lent memory, read-only.",
    rests_on=("result-place",),
)
def result_stride(stage: Stage) -> None:
    """Rows a little longer than their pixels."""
    document = stage.open_painted()
    _expect_result(stage, document, _PLACE, _other, gap=4 * stage.result_format().bytes_per_pixel)


@check(
    "result-alpha",
    "A result's alpha is kept: straight or premultiplied as result_format says, 0 shows what is below.",
    advice="Declare in result_format what you take (Alpha.STRAIGHT or PREMULTIPLIED) and hand it on as it "
    "is.",
    rests_on=("result-place",),
)
def result_alpha(stage: Stage) -> None:
    """Glass on nothing."""
    document = stage.open()
    if not stage.result_format().channels.has_alpha:
        raise Unsupported("results for this document have no alpha (Canvas.result_format)")
    stage.adapter.write_result(stage.result(document, SMALL, glass))
    want = [glass(x, y) for y in rows(SMALL) for x in columns(SMALL)]
    stage.expect_seen(document, want, "a translucent result", max(stage.tolerance(document), 2 / 255))


@check(
    "outside-untouched",
    "What the result does not cover stays as it was, to the bit: beside it, and below its alpha 0.",
    advice="Add a layer instead of painting; where you must blend, skip pixels of alpha 0. Do not convert "
    "the "
    "document to another depth or colour space.",
    rests_on=("result-place", "result-alpha"),
)
def outside_untouched(stage: Stage) -> None:
    """A hole in the middle of the result."""
    document = stage.open_painted()
    hole = Bounds(20, 14, 8, 6)
    solid = stage.result_format().channels.has_alpha is False

    def holed(x: int, y: int) -> Color:
        color = _other(x, y)
        return color if solid or not hole.contains(Bounds(x, y, 1, 1)) else (*color[:3], 0.0)

    before = stage.seen(document)
    stage.adapter.write_result(stage.result(document, _PLACE, holed))
    after = stage.seen(document)
    changed = [
        (x, y)
        for y in rows(SMALL)
        for x in columns(SMALL)
        if after[y * SMALL.width + x] != before[y * SMALL.width + x]
        and (not _PLACE.contains(Bounds(x, y, 1, 1)) or not holed(x, y)[3])
    ]
    expect(not changed, f"{len(changed)} pixels outside of the result changed, the first at {changed[:1]}")


@check(
    "result-named",
    "A result is one new layer with the result's name; the layers that were there keep theirs.",
    advice="Name the layer Result.name: it is the prompt, shortened, and how the user finds it again.",
    needs=(Capability.LAYERS,),
    rests_on=("result-place",),
)
def result_named(stage: Stage) -> None:
    """One more name than before."""
    document = stage.open_painted()
    before = list(stage.rig.layer_names(document))
    stage.adapter.write_result(stage.result(document, _PLACE, _other, name="old brick wall"))
    after = list(stage.rig.layer_names(document))
    added = [name for name in after if name not in before]
    expect(
        added == ["old brick wall"] and len(after) == len(before) + 1,
        f"the layers were {before} and are {after}: one more was due, named 'old brick wall'",
    )


@check(
    "unicode-names",
    "Titles, layers and results keep their names, whatever script they are in.",
    advice="Pass names on as str; encode as UTF-8 only at the host's own border.",
    rests_on=("result-named",),
)
def unicode_names(stage: Stage) -> None:
    """Letters with accents, an ideograph, a character beyond 16 bits."""
    title = "Bäume 森 🌲"
    document = stage.open_painted(title=title)
    found = stage.adapter.canvas().title
    expect(not found or title in found, f"the document {title!r} is called {found!r}")
    name = "Höhle 洞 🦇"
    stage.adapter.write_result(stage.result(document, _PLACE, _other, name=name))
    try:
        names = stage.rig.layer_names(document)
    except Unsupported:
        return
    expect(name in names, f"a result named {name!r} is not among the layers {list(names)!r}")


@check(
    "result-texture",
    "A texture is a picture of its own: no open document changes, and none needs to be open.",
    advice="For ResultKind.TEXTURE make a new document, image or datablock; document_id is then empty.",
    rests_on=("result-place",),
)
def result_texture(stage: Stage) -> None:
    """While a document is open that must stay as it is."""
    document = stage.open_painted()
    before = stage.seen(document)
    result = stage.result("", Bounds(0, 0, 32, 16), _other, kind=ResultKind.TEXTURE, context=b"")
    stage.adapter.write_result(result)
    stage.expect_seen(document, before, "a texture arrived and the open document changed")


def _writes(data_type: DataType, space: ColorSpace) -> Callable[[Stage], None]:
    def run(stage: Stage) -> None:
        require_format(stage, data_type, space)
        document = stage.open_painted(flat(20, 20, 20), data_type=data_type, color_space=space)
        stage.adapter.write_result(stage.result(document, _PLACE, fine))
        got = stage.seen(document, _PLACE)
        want = [fine(x, y) for y in rows(_PLACE) for x in columns(_PLACE)]
        tolerance = TOLERANCE[data_type]
        if data_type is not DataType.U8:
            # Half floats will do for a deep document: 8 bits will not.
            tolerance = max(tolerance, TOLERANCE[DataType.F16])
        if stage.result_format().color_space is not space:
            tolerance = max(tolerance, 2e-3)
        wrong = difference(got, want, _PLACE.width, tolerance)
        expect(not wrong, f"a result in a {data_type.value} document in {space.value}: {wrong}")

    return run


for _type in DataType:
    for _space in (ColorSpace.SRGB, ColorSpace.LINEAR_REC709):
        check(
            f"result-{_type.value}-{_space.value.partition('-')[0]}",
            f"Results enter documents of {_type.value} in {_space.value} with right tones and in their "
            f"depth.",
            advice="Ask in Canvas.result_format for the document's depth (half floats at least where it is "
            "deep) "
            "and for the encoding that you then write without converting.",
            rests_on=("result-place",),
        )(_writes(_type, _space))
