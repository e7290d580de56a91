"""OpenRaster between us and the real Krita and GIMP: they open what we write, and we open what they write."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.hosts.sandbox import HostSandbox
from underpaint.testing.reference import Document, Group, PaintLayer, read_document, write_document
from underpaint.testing.reference.layers import Nodes, walk
from underpaint.testing.reference.merge import merged, own_pixels
from underpaint.testing.reference.samples import DTYPES, flattened
from underpaint.types import Bounds, DataType, PixelFormat

SCRIPTS = Path(__file__).parent / "scripts"
HIDDEN = "nobody sees it"
AROUND = Bounds(-10, -10, 84, 68)


def farm(data_type: DataType) -> Document:
    """A group with soft and hidden layers over a ground; one hangs over the canvas, two are faint."""
    rng = np.random.default_rng(4)
    top = np.iinfo(DTYPES[data_type]).max

    def sheet(name: str, width: int, height: int, low: float = 0.2, **more: Any) -> PaintLayer:
        samples = rng.integers(0, top, (height, width, 4), DTYPES[data_type], endpoint=True)
        # Hosts find a layer's bounds by looking for what is not clear: leave nothing clear at its edges.
        samples[..., 3] = rng.integers(round(low * top), top, (height, width), endpoint=True)
        return PaintLayer(name=name, samples=samples, **more)

    inside = (
        sheet("Zürich 画布", 20, 10, x=-5, y=30, opacity=0.5),
        sheet(HIDDEN, 12, 12, x=20, y=8, visible=False),
        sheet("& <third>", 9, 14, x=30, y=3),
        sheet("corner", 9, 14),
    )
    layers = (
        sheet("Cloud", 20, 8, x=50, y=-3),
        Group(name="Land", layers=inside, opacity=0.8),
        sheet("Ground", 64, 48, low=1.0, locked=True),
    )
    return Document(64, 48, data_type=data_type, layers=layers)


def seen(document: Document) -> np.ndarray:
    return flattened(merged(document.layers, document.canvas, document.format.data_type)).astype(int)


def compare(values: list[dict[str, Any]], layers: Nodes) -> None:
    """What a host found in a file, beside what we had put into it."""
    assert [value["name"] for value in values] == [layer.name for layer in layers]
    for value, layer in zip(values, layers, strict=True):
        assert value["group"] == isinstance(layer, Group), layer.name
        assert value["visible"] == layer.visible, layer.name
        assert value["opacity"] == pytest.approx(layer.opacity, abs=0.005), layer.name
        if "locked" in value:
            assert value["locked"] == layer.locked, layer.name
        if isinstance(layer, Group):
            compare(value["layers"], layer.layers)
        else:
            bounds = layer.bounds
            assert value["place"] == [bounds.x, bounds.y, bounds.width, bounds.height], layer.name


def check_both_ways(document: Document, values: dict[str, Any], target: Path, lost: Nodes = ()) -> None:
    """Ours in the host, and the host's at home again, to the last bit; `lost`: pixels that a host loses."""
    assert values["size"] == [64, 48]
    compare(values["layers"], document.layers)
    assert values["saved"]
    again = read_document(target)
    assert (again.canvas, again.format) == (document.canvas, PixelFormat())
    for found, layer in zip(walk(again.layers), walk(document.layers), strict=True):
        assert (found.name, found.visible) == (layer.name, layer.visible)
        assert found.opacity == pytest.approx(layer.opacity, abs=0.005), layer.name
        if isinstance(layer, PaintLayer) and layer not in lost:
            theirs = own_pixels(found, AROUND, DataType.U8).astype(int)
            ours = flattened(own_pixels(layer, AROUND, document.format.data_type)).astype(int)
            rounding = 0 if document.format.data_type is DataType.U8 else 1
            assert np.abs(theirs - ours).max() <= rounding, layer.name


def decoded(values: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(values["picture"]), np.uint8).reshape(48, 64, 4).astype(int)


def test_krita_opens_our_files_and_we_open_kritas(sandbox: HostSandbox, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    sandbox.bind(files)
    with sandbox.open_krita() as krita:
        for data_type in (DataType.U8, DataType.U16):
            document = farm(data_type)
            source, target = files / f"{data_type.value} öurs.ora", files / f"{data_type.value} kritas.ora"
            write_document(document, source)
            arguments = {"source": str(source), "target": str(target)}
            values = krita.run(SCRIPTS / "openraster_krita.py", **arguments)
            # Of OpenRaster it takes 8 bits, whatever lies in the file.
            assert values["depth"] == "U8"
            apart = np.abs(decoded(values)[..., [2, 1, 0, 3]] - seen(document)).max()
            print(
                f"\n{data_type.value}: Krita's merged picture is at most {apart} of 255 from ours (bound 2)"
            )
            assert apart <= 2
            check_both_ways(document, values, target)


def test_gimp_opens_our_files_and_we_open_gimps(sandbox: HostSandbox, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    sandbox.bind(files)
    document = farm(DataType.U8)
    source, target = files / "öurs.ora", files / "gimps.ora"
    write_document(document, source)
    arguments = {"source": str(source), "target": str(target)}
    values = sandbox.run_gimp(SCRIPTS / "openraster_gimp.py", arguments=arguments)
    # It blends in linear light: the same picture where the ground alone is seen.
    alone = merged(document.layers[:-1], document.canvas, DataType.U8)[..., 3] == 0
    assert np.array_equal(decoded(values)[alone], seen(document)[alone])
    assert 1000 < np.count_nonzero(alone) < 64 * 48
    # GIMP 3.0 cuts what it saves of a visible layer off by the layer's own place.
    nodes = tuple(walk(document.layers))
    lost = tuple(node for node in nodes if node.visible and (node.bounds.x, node.bounds.y) != (0, 0))
    assert {"corner", "Ground", HIDDEN}.isdisjoint(node.name for node in lost)
    check_both_ways(document, values, target, lost)
