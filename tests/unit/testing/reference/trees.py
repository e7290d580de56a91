"""Documents of all kinds, for hypothesis."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from underpaint.testing.reference.document import Document
from underpaint.testing.reference.layers import Group, Node, Nodes, PaintLayer, walk
from underpaint.testing.reference.merge import BLENDS
from underpaint.testing.reference.samples import DTYPES, Samples
from underpaint.types import DataType

NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=12
)
PLACES = st.integers(-12, 12)
OPACITIES = st.integers(0, 20).map(lambda step: step / 20)


def samples(data_type: DataType) -> st.SearchStrategy[Samples]:
    """Noise with many clear and many opaque pixels; a seed, since hypothesis draws pixels slowly."""

    def made(seed: int, height: int, width: int) -> Samples:
        rng = np.random.default_rng(seed)
        top = np.iinfo(DTYPES[data_type]).max
        found = rng.integers(0, top, (height, width, 4), DTYPES[data_type], endpoint=True)
        found[..., 3] = np.choose(rng.integers(0, 3, (height, width)), [0, found[..., 3], top])
        return found

    return st.builds(made, st.integers(0, 1 << 30), st.integers(1, 9), st.integers(1, 9))


def layers(data_type: DataType, blends: tuple[str, ...] = tuple(BLENDS)) -> st.SearchStrategy[Node]:
    common = {
        "name": NAMES,
        "visible": st.booleans(),
        "locked": st.booleans(),
        "opacity": OPACITIES,
        "blend": st.sampled_from(blends),
    }
    paint: st.SearchStrategy[Node] = st.builds(
        PaintLayer, samples=samples(data_type), x=PLACES, y=PLACES, layer_id=st.uuids().map(str), **common
    )
    return st.recursive(
        paint,
        lambda inner: st.builds(
            Group,
            layers=st.lists(inner, max_size=3).map(tuple),
            isolated=st.booleans(),
            layer_id=st.uuids().map(str),
            **common,
        ),
        max_leaves=5,
    )


@st.composite
def documents(draw: st.DrawFn, blends: tuple[str, ...] = tuple(BLENDS)) -> Document:
    """u8 or u16, sRGB: what OpenRaster holds without a loss."""
    data_type = draw(st.sampled_from([DataType.U8, DataType.U16]))
    nodes = tuple(draw(st.lists(layers(data_type, blends), min_size=1, max_size=4)))
    made = Document(draw(st.integers(1, 20)), draw(st.integers(1, 20)), data_type=data_type, layers=nodes)
    made.active = draw(st.sampled_from([node.layer_id for node in walk(nodes)]))
    return made


def described(layers: Nodes) -> list[object]:
    """Everything about layers but their ids, to compare."""
    return [
        (
            node.name,
            node.visible,
            node.locked,
            node.opacity,
            node.blend,
            (node.isolated, described(node.layers))
            if isinstance(node, Group)
            else (node.x, node.y, node.samples.dtype.name, node.samples.shape, node.samples.tobytes()),
        )
        for node in layers
    ]
