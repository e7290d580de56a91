"""Layers: listed and read one by one."""

from __future__ import annotations

from underpaint.errors import PlaceGone
from underpaint.host import Capability, Layer
from underpaint.testing.conformance.check import check, expect
from underpaint.testing.conformance.compare import difference
from underpaint.testing.conformance.patterns import flat, places
from underpaint.testing.conformance.rig import LayerSpec
from underpaint.testing.conformance.stage import SMALL, Stage, columns, rows
from underpaint.types import Bounds

LAYERS = (Capability.LAYERS,)
_TOP = LayerSpec(name="top", bounds=Bounds(9, 6, 20, 15), pattern=places)
_GROUND = LayerSpec(name="ground", bounds=SMALL, pattern=flat(40, 80, 160))


def _listed(stage: Stage, document: str) -> dict[str, Layer]:
    layers = list(stage.adapter.list_layers(document))
    ids = [layer.layer_id for layer in layers]
    expect(len(set(ids)) == len(ids), f"two layers have the same layer_id: {ids}")
    names = [layer.name for layer in layers]
    want = [layer.name for layer in stage.specs[document].all_layers()]
    expect(names == want, f"list_layers gives {names}, from top to bottom they are {want}")
    return {layer.name: layer for layer in layers}


def _expect_layer(stage: Stage, document: str, layer: Layer, bounds: Bounds = SMALL) -> None:
    spec = next(spec for spec in stage.specs[document].all_layers() if spec.name == layer.name)
    image = stage.adapter.read_layer(document, layer.layer_id, bounds)
    got = stage.decoded(image, document, bounds, "read_layer")
    want = [spec.color(x, y) for y in rows(bounds) for x in columns(bounds)]
    wrong = difference(got, want, bounds.width, stage.tolerance(document))
    expect(not wrong, f"the layer {layer.name!r} within {bounds}: {wrong}")


def _expect_merged(stage: Stage, document: str) -> None:
    got, want = stage.merged(document, SMALL), stage.expected(document, SMALL)
    wrong = difference(got, want, SMALL.width, stage.tolerance(document))
    expect(not wrong, wrong)


@check(
    "layers-listed",
    "list_layers names every layer, from top to bottom, with bounds that hold all of its pixels.",
    advice="The topmost layer comes first. Bounds are canvas coordinates and may hang over the canvas. "
    "layer_id stays the same as long as the layer lives.",
    needs=LAYERS,
    rests_on=("document-described",),
)
def layers_listed(stage: Stage) -> None:
    """Two layers."""
    document = stage.open(_TOP, _GROUND)
    found = _listed(stage, document)
    for spec in (_TOP, _GROUND):
        layer = found[spec.name]
        expect(
            layer.bounds.contains(spec.bounds),
            f"the layer {spec.name!r} has pixels in {spec.bounds}, list_layers says {layer.bounds}",
        )
        expect(layer.visible and not layer.locked and not layer.group, f"{layer} has a wrong flag")
    again = {name: layer.layer_id for name, layer in _listed(stage, document).items()}
    expect(
        again == {name: layer.layer_id for name, layer in found.items()}, "layer ids changed by themselves"
    )


@check(
    "layer-offset",
    "read_layer gives a layer's own pixels at their place on the canvas, transparent around them.",
    advice="Bounds are canvas coordinates, not the layer's: subtract the layer's offset, and fill with zeros "
    "what lies beside it. What other layers show must not be in it.",
    needs=LAYERS,
    rests_on=("read-place", "layers-listed"),
)
def layer_offset(stage: Stage) -> None:
    """A small layer away from the origin, over another one."""
    document = stage.open(_TOP, _GROUND)
    top = _listed(stage, document)["top"]
    for bounds in (SMALL, _TOP.bounds, Bounds(3, 2, 12, 9), Bounds(20, 15, 30, 20), Bounds(40, 30, 8, 8)):
        _expect_layer(stage, document, top, bounds)


@check(
    "layer-over-edge",
    "A layer that hangs over the canvas is read and merged like any other.",
    advice="Clip at the canvas before you index into the layer: negative offsets must not wrap around.",
    needs=LAYERS,
    rests_on=("layer-offset",),
)
def layer_over_edge(stage: Stage) -> None:
    """Over the top left, over the bottom right, and wholly off."""
    document = stage.open(
        LayerSpec(name="before", bounds=Bounds(-8, -5, 20, 14), pattern=_shifted),
        LayerSpec(name="after", bounds=Bounds(44, 31, 24, 18), pattern=_shifted),
        LayerSpec(name="away", bounds=Bounds(SMALL.width + 8, 4, 9, 7), pattern=_shifted),
        _GROUND,
    )
    for layer in _listed(stage, document).values():
        _expect_layer(stage, document, layer)
    _expect_merged(stage, document)


@check(
    "hidden-layers",
    "Hidden layers are listed as hidden, are not in the merged picture, and can be read themselves.",
    advice="read_merged is what the user sees; Layer.visible is the layer's own eye. read_layer reads a "
    "hidden "
    "layer all the same.",
    needs=LAYERS,
    rests_on=("layer-offset",),
)
def hidden_layers(stage: Stage) -> None:
    """One over a visible one."""
    hidden = LayerSpec(name="hidden", bounds=Bounds(5, 5, 22, 18), pattern=places, visible=False)
    document = stage.open(hidden, _GROUND)
    found = _listed(stage, document)
    expect(not found["hidden"].visible, "a hidden layer is listed as visible")
    expect(found["ground"].visible, "a visible layer is listed as hidden")
    wrong = difference(
        stage.merged(document, SMALL), stage.expected(document, SMALL), SMALL.width, stage.tolerance(document)
    )
    shows = [LayerSpec(name="x", bounds=hidden.bounds, pattern=places).color(x, y) for x, y in ((9, 9),)]
    leaked = stage.merged(document, Bounds(9, 9, 1, 1))[0]
    same = max(abs(a - b) for a, b in zip(leaked, shows[0], strict=True)) < 0.01
    expect(not wrong, "the hidden layer is in the merged picture" if same else wrong)
    _expect_layer(stage, document, found["hidden"])


@check(
    "locked-layers",
    "Locked layers are listed as locked, can be read, and stay as they are when a result arrives.",
    advice="A result is a layer of its own: it needs no unlocked one. Never paint into the active layer.",
    needs=LAYERS,
    rests_on=("layer-offset",),
)
def locked_layers(stage: Stage) -> None:
    """The active layer is the locked one."""
    locked = LayerSpec(name="locked", bounds=SMALL, pattern=places, locked=True)
    document = stage.open(locked, _GROUND)
    found = _listed(stage, document)
    expect(found["locked"].locked, "a locked layer is listed as unlocked")
    expect(not found["ground"].locked, "an unlocked layer is listed as locked")
    _expect_layer(stage, document, found["locked"])
    stage.adapter.write_result(stage.result(document, Bounds(8, 8, 16, 12), flat(250, 250, 10)))
    _expect_layer(stage, document, found["locked"])


@check(
    "groups",
    "Groups are listed as groups with their children after them; a hidden group hides what is in it.",
    advice="Walk into groups: the group first, then its children from top to bottom. A child is read by "
    "its own "
    "id, at its own place.",
    needs=LAYERS,
    rests_on=("layer-offset", "hidden-layers"),
)
def groups(stage: Stage) -> None:
    """One group seen, one hidden."""
    inner = LayerSpec(name="inner", bounds=Bounds(12, 9, 18, 14), pattern=places)
    veiled = LayerSpec(name="veiled", bounds=Bounds(2, 2, 30, 30), pattern=flat(255, 0, 255))
    document = stage.open(
        LayerSpec(name="curtain", children=(veiled,), visible=False),
        LayerSpec(
            name="group",
            children=(inner, LayerSpec(name="base", bounds=Bounds(4, 4, 40, 30), pattern=_shifted)),
        ),
        _GROUND,
    )
    found = _listed(stage, document)
    marked = sorted(name for name, layer in found.items() if layer.group)
    expect(marked == ["curtain", "group"], f"the groups are curtain and group, listed as groups are {marked}")
    _expect_layer(stage, document, found["inner"])
    _expect_layer(stage, document, found["base"])
    _expect_layer(stage, document, found["group"])
    _expect_merged(stage, document)


@check(
    "layer-gone",
    "Reading a layer that was deleted raises PlaceGone.",
    advice="Look the layer up by its id every time; raise underpaint.errors.PlaceGone if it is not there.",
    needs=LAYERS,
    rests_on=("layers-listed",),
)
def layer_gone(stage: Stage) -> None:
    """Deleted by the user after it was listed."""
    document = stage.open(_TOP, _GROUND)
    top = _listed(stage, document)["top"]
    stage.rig.delete_layer(document, "top")
    try:
        stage.adapter.read_layer(document, top.layer_id, SMALL)
    except PlaceGone:
        return
    expect(False, "read_layer of a deleted layer raised nothing, PlaceGone was due")


def _shifted(x: int, y: int) -> tuple[float, float, float, float]:
    return places(x + 20, y + 20)
