"""OpenRaster files: everything comes back, and no file, however broken, gets anywhere."""

from __future__ import annotations

import io
import os
import random
import tempfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import assume, given, settings
from PIL import Image as Pictures

from tests.unit.testing.reference.trees import described, documents
from underpaint.errors import HostError, InvalidRequest, LimitExceeded, UnderpaintError
from underpaint.testing.reference import openraster
from underpaint.testing.reference.document import Document
from underpaint.testing.reference.layers import Group, PaintLayer, walk
from underpaint.testing.reference.limits import Limits
from underpaint.testing.reference.merge import merged
from underpaint.testing.reference.samples import DTYPES
from underpaint.testing.reference.selection import Selection
from underpaint.types import Bounds, ColorSpace, DataType

PIXEL = np.full((1, 1, 4), 255, np.uint8)


def png(width: int = 4, height: int = 3, mode: str = "RGBA", color: object = "#ff8000") -> bytes:
    packed = io.BytesIO()
    Pictures.new(mode, (width, height), color).save(packed, "PNG")  # type: ignore[arg-type]
    return packed.getvalue()


def stack(inner: str = '<layer name="a" src="data/a.png" x="2" y="1"/>', size: str = 'w="9" h="7"') -> bytes:
    return f"<image {size}><stack>{inner}</stack></image>".encode()


def archive(path: Path, **parts: bytes | None) -> Path:
    """A file of one layer; parts may be replaced, or left out with None."""
    files: dict[str, bytes | None] = {
        "mimetype": b"image/openraster",
        "stack.xml": stack(),
        "data/a.png": png(),
        **{name.replace("__", "/").replace("_", "."): data for name, data in parts.items()},
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            if data is not None:
                made.writestr(name, data)
    return path


@settings(max_examples=60)
@given(documents())
def test_documents_come_back_as_they_went(document: Document) -> None:
    assume(any(isinstance(node, PaintLayer) for node in walk(document.layers)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.ora"
        openraster.write(document, path)
        found = openraster.read(path)
    assert found.format == document.format
    assert found.canvas == document.canvas
    assert described(found.layers) == described(document.layers)
    order = [node.layer_id for node in walk(document.layers)]
    again = [node.layer_id for node in walk(found.layers)]
    assert again.index(found.active) == order.index(document.active)
    assert (found.notes, found.undo_steps) == ([], [])


@pytest.mark.parametrize("name", ["Ünïcödé 画布 🖌", 'quotes " & <tags>', "two\nlines\ttab\rreturn", " ", ""])
def test_names_survive(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name.strip() or 'a'}.ora".replace("\n", "").replace("\r", "")
    openraster.write(Document(2, 2, layers=(PaintLayer(name=name, samples=PIXEL),)), path)
    assert openraster.read(path).layers[0].name == name


def test_characters_that_xml_has_no_way_to_write_become_replacement_marks(tmp_path: Path) -> None:
    name = "a\x00b\x1bc\ud800d\uffff"
    openraster.write(Document(2, 2, layers=(PaintLayer(name=name, samples=PIXEL),)), tmp_path / "a.ora")
    assert openraster.read(tmp_path / "a.ora").layers[0].name == "a\ufffdb\ufffdc\ufffdd\ufffd"


def test_a_file_is_what_other_programs_look_for(tmp_path: Path) -> None:
    layer = PaintLayer(name="a", samples=np.full((300, 400, 4), (10, 200, 30, 255), np.uint8), x=100)
    openraster.write(Document(600, 300, layers=(layer,)), tmp_path / "a.ora")
    raw = (tmp_path / "a.ora").read_bytes()
    assert raw[30:54] == b"mimetypeimage/openraster", "first and stored, without extra fields"
    with zipfile.ZipFile(tmp_path / "a.ora") as made:
        root = ElementTree.fromstring(made.read("stack.xml"))
        assert (root.get("w"), root.get("h"), root.get("version")) == ("600", "300", "0.0.6")
        whole = Pictures.open(io.BytesIO(made.read("mergedimage.png")))
        small = Pictures.open(io.BytesIO(made.read("Thumbnails/thumbnail.png")))
    assert (whole.size, whole.mode) == ((600, 300), "RGBA")
    assert whole.getpixel((50, 50)) == (0, 0, 0, 0)
    assert whole.getpixel((150, 50)) == (10, 200, 30, 255)
    assert max(small.size) <= 256
    assert small.getpixel((small.width // 2, small.height // 2)) == (10, 200, 30, 255)


@pytest.mark.parametrize(
    ("data_type", "space"),
    [
        (DataType.F16, ColorSpace.SRGB),
        (DataType.F32, ColorSpace.LINEAR_REC709),
        (DataType.U8, ColorSpace.LINEAR_REC709),
    ],
)
def test_floats_and_linear_light_become_16_bit_srgb(
    tmp_path: Path, data_type: DataType, space: ColorSpace
) -> None:
    half = {DataType.U8: 55, DataType.F16: 0.5, DataType.F32: 0.2140411}[data_type]
    top = 255 if data_type is DataType.U8 else 1
    below, beyond = (0, 255) if data_type is DataType.U8 else (-1, 3)
    samples = np.array([[(half, below, beyond, top)]]).astype(DTYPES[data_type])
    document = Document(1, 1, data_type=data_type, color_space=space)
    document.add(PaintLayer(name="a", samples=samples))
    openraster.write(document, tmp_path / "a.ora")
    found = openraster.read(tmp_path / "a.ora")
    layer = found.layers[0]
    assert isinstance(layer, PaintLayer)
    assert found.format.data_type is DataType.U16
    assert (layer.samples[0, 0] / 65535).tolist() == pytest.approx([0.5, 0, 1, 1], abs=0.004)


def test_selection_and_history_stay_behind(tmp_path: Path) -> None:
    document = Document(4, 4, layers=(PaintLayer(name="a", samples=PIXEL),))
    document.select(Selection.rectangle(document.canvas))
    openraster.write(document, tmp_path / "a.ora")
    found = openraster.read(tmp_path / "a.ora")
    assert (found.selection, found.undo_steps) == (None, [])


def test_profile_and_resolution_are_kept(tmp_path: Path) -> None:
    from PIL import ImageCms

    document = Document(2, 2, layers=(PaintLayer(name="a", samples=PIXEL),))
    document.profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    document.resolution = (300, 150)
    openraster.write(document, tmp_path / "a.ora")
    found = openraster.read(tmp_path / "a.ora")
    assert (found.profile, found.resolution) == (document.profile, (300, 150))


@pytest.mark.parametrize("mode", ["RGBA", "RGB", "LA", "L", "P", "1", "I;16"])
def test_pictures_of_every_kind_become_rgba(tmp_path: Path, mode: str) -> None:
    color = {"P": 0, "I;16": 65535, "L": 255, "1": 1, "LA": (255, 255)}.get(mode, "white")
    found = openraster.read(archive(tmp_path / "a.ora", data__a_png=png(mode=mode, color=color)))
    seen = merged(found.layers, found.canvas, found.format.data_type)
    assert found.format.data_type is (DataType.U16 if mode == "I;16" else DataType.U8)
    assert seen[1, 2, 3] == np.iinfo(seen.dtype).max
    assert seen[1, 2, 0] == (0 if mode == "P" else np.iinfo(seen.dtype).max)


def test_one_deep_layer_makes_a_deep_document(tmp_path: Path) -> None:
    inner = '<layer name="a" src="data/a.png"/><layer name="b" src="data/b.png"/>'
    path = archive(tmp_path / "a.ora", stack_xml=stack(inner), data__b_png=png(mode="I;16", color=40000))
    first, second = openraster.read(path).layers
    assert isinstance(first, PaintLayer)
    assert isinstance(second, PaintLayer)
    assert first.samples[0, 0].tolist() == [65535, 128 * 257, 0, 65535]
    assert second.samples[0, 0, 0] == 40000


def test_what_is_not_read_is_said(tmp_path: Path) -> None:
    inner = (
        '<text name="title" x="1"><p/></text><filter name="blur"><stack><layer src="x"/></stack></filter>'
        '<layer name="glow" src="data/a.png" composite-op="krita:strange" opacity="nan" x="1.7" y="far"/>'
    )
    found = openraster.read(archive(tmp_path / "a.ora", stack_xml=stack(inner)))
    (layer,) = found.layers
    assert (layer.bounds, layer.opacity, layer.blend) == (Bounds(1, 0, 4, 3), 1.0, "krita:strange")
    for name, note in zip(("title", "blur", "glow"), found.notes, strict=True):
        assert name in note


def test_attributes_that_are_missing_have_the_specifications_defaults(tmp_path: Path) -> None:
    bare = stack('<stack><layer src="data/a.png"/></stack>')
    found = openraster.read(archive(tmp_path / "a.ora", stack_xml=bare))
    (group,) = found.layers
    assert isinstance(group, Group)
    (layer,) = group.layers
    assert isinstance(layer, PaintLayer)
    assert (layer.visible, layer.locked, layer.opacity, layer.blend) == (True, False, 1.0, "svg:src-over")
    assert (layer.x, layer.y, group.isolated) == (0, 0, False)
    assert found.active == group.layer_id


NO_PNG = b"GIF89a" + bytes(40)
HEADER = b"IHDR" + (65537).to_bytes(4, "big") + (2).to_bytes(4, "big") + b"\x08\x06\0\0\0"
HUGE = png()[:12] + HEADER + zlib.crc32(HEADER).to_bytes(4, "big") + png()[33:]
LAUGHS = b'<!DOCTYPE image [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>' + stack('<layer name="&b;" src="a"/>')
BROKEN: list[tuple[str, dict[str, bytes | None], str]] = [
    ("no mimetype", {"mimetype": None}, "mimetype"),
    ("another mimetype", {"mimetype": b"application/epub+zip"}, "none of OpenRaster"),
    ("a long mimetype", {"mimetype": b"image/openraster" + b" " * 100}, "at most 64"),
    ("no stack", {"stack_xml": None}, "stack.xml"),
    ("an empty stack", {"stack_xml": b""}, "damaged"),
    ("a torn stack", {"stack_xml": stack()[:-9]}, "damaged"),
    ("another root", {"stack_xml": b"<svg/>"}, "<svg>"),
    ("no size", {"stack_xml": stack(size="")}, "size"),
    ("size 0", {"stack_xml": stack(size='w="0" h="5"')}, "size"),
    ("infinite size", {"stack_xml": stack(size='w="inf" h="5"')}, "size"),
    ("an unknown encoding", {"stack_xml": b'<?xml version="1.0" encoding="klingon"?>' + stack()}, "damaged"),
    ("a document type", {"stack_xml": LAUGHS}, "document type"),
    ("the same in UTF-16", {"stack_xml": LAUGHS.decode().encode("utf-16")}, "document type"),
    ("a layer outside", {"stack_xml": b'<image w="1" h="1"><layer src="data/a.png"/></image>'}, "outside"),
    ("no source", {"stack_xml": stack('<layer name="a"/>')}, "''"),
    ("a missing picture", {"data__a_png": None}, "data/a.png"),
    ("a path out", {"stack_xml": stack('<layer src="../../etc/passwd"/>')}, "../../etc/passwd"),
    ("an absolute path", {"stack_xml": stack('<layer src="/etc/passwd"/>')}, "/etc/passwd"),
    ("no png", {"data__a_png": NO_PNG}, "no PNG"),
    ("an svg", {"data__a_png": b"<svg/>"}, "no PNG"),
    ("a torn png", {"data__a_png": png()[:-25]}, "damaged"),
    ("an empty png", {"data__a_png": b""}, "no PNG"),
]


@pytest.mark.parametrize(("parts", "said"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_a_broken_file_is_refused_with_its_name_and_a_reason(
    tmp_path: Path, parts: dict[str, bytes | None], said: str
) -> None:
    path = archive(tmp_path / "farm.ora", **parts)
    with pytest.raises(InvalidRequest) as caught:
        openraster.read(path)
    assert str(path) in caught.value.message
    assert said in caught.value.message
    assert caught.value.violations[0].field == "image"


TOO_MUCH: list[tuple[str, dict[str, bytes | None], Limits, str]] = [
    ("canvas", {"stack_xml": stack(size='w="70000" h="1"')}, Limits(), "edge"),
    ("a canvas beyond numbers", {"stack_xml": stack(size='w="1e300" h="1"')}, Limits(), "edge"),
    ("a layer's side", {"data__a_png": HUGE}, Limits(), "edge"),
    ("a layer's pixels", {}, Limits(pixels=11), "pixels"),
    ("pixels in all", {"stack_xml": stack('<layer src="data/a.png"/>' * 9)}, Limits(pixels=100), "pixels"),
    ("layers", {"stack_xml": stack('<layer src="data/a.png"/>' * 9)}, Limits(layers=8), "layers"),
    ("depth", {"stack_xml": stack("<stack>" * 90 + "</stack>" * 90)}, Limits(), "depth"),
]


@pytest.mark.parametrize(
    ("parts", "limits", "name"), [row[1:] for row in TOO_MUCH], ids=[row[0] for row in TOO_MUCH]
)
def test_a_file_that_asks_for_too_much_is_refused(
    tmp_path: Path, parts: dict[str, bytes | None], limits: Limits, name: str
) -> None:
    with pytest.raises(LimitExceeded) as caught:
        openraster.read(archive(tmp_path / "a.ora", **parts), limits)
    assert caught.value.metadata["limit"] == name


@pytest.mark.parametrize("bomb", ["stack.xml", "data/a.png"])
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, bomb: str) -> None:
    path = archive(tmp_path / "a.ora", **{bomb.replace("/", "__").replace(".", "_"): bytes(1 << 24)})
    tracemalloc.start()
    with pytest.raises(InvalidRequest, match="at most"):
        openraster.read(path, Limits(stack_bytes=1 << 20, png_bytes=1 << 20))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 21


def test_a_picture_that_unpacks_to_more_than_it_says_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.ora")
    raw = bytearray(path.read_bytes())
    at = raw.rindex(b"data/a.png") - 46
    raw[at + 24 : at + 28] = (8).to_bytes(4, "little")  # the directory's word for its size
    path.write_bytes(raw)
    with pytest.raises(InvalidRequest):
        openraster.read(path)


def test_an_encrypted_file_is_refused_by_that_name(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.ora")
    raw = bytearray(path.read_bytes())
    at = raw.index(b"PK\x01\x02")
    raw[at + 8] |= 1
    path.write_bytes(raw)
    with pytest.raises(InvalidRequest, match="password"):
        openraster.read(path)


def test_random_damage_never_raises_anything_else(tmp_path: Path) -> None:
    """Every file here is an old one with some bytes changed: it may even be readable."""
    document = Document(40, 30, layers=(PaintLayer(name="a", samples=PIXEL), Group(name="g")))
    noise = np.random.default_rng(1).integers(0, 65536, (30, 40, 4), np.uint16)
    deep = Document(40, 30, data_type=DataType.U16, layers=(PaintLayer(name="a", samples=noise),))
    rng = random.Random(7)
    refused = 0
    for index in range(400):
        path = tmp_path / "a.ora"
        openraster.write(document if index % 2 else deep, path)
        raw = bytearray(path.read_bytes())
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(raw))
            match rng.randrange(3):
                case 0:
                    raw[at] = rng.randrange(256)
                case 1:
                    del raw[at : at + rng.randint(1, 30)]
                case _:
                    raw[at:at] = rng.randbytes(rng.randint(1, 9))
        path.write_bytes(raw)
        try:
            openraster.read(path)
        except UnderpaintError:
            refused += 1
    assert refused > 200


def test_random_damage_inside_a_whole_archive_never_raises_anything_else(tmp_path: Path) -> None:
    """Past the archive's checksums: the pictures and the stack themselves are wrong."""
    rng = random.Random(11)
    refused = 0
    parts = {"stack_xml": stack(), "data__a_png": png(), "data__b_png": png(mode="I;16", color=3)}
    for _ in range(600):
        name = rng.choice(list(parts))
        raw = bytearray(parts[name])
        for _ in range(rng.randint(1, 3)):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        inner = '<layer src="data/a.png"/><layer src="data/b.png"/>'
        try:
            openraster.read(
                archive(tmp_path / "a.ora", **{"stack_xml": stack(inner), **parts, name: bytes(raw)}),
                Limits(edge=4096, pixels=1 << 22),
            )
        except UnderpaintError:
            refused += 1
    assert 100 < refused < 600


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip at all" * 100])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.ora").write_bytes(content)
    with pytest.raises(InvalidRequest, match=r"a\.ora cannot be read"):
        openraster.read(tmp_path / "a.ora")


def test_a_missing_file_is_refused_too(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="No such file"):
        openraster.read(tmp_path / "a.ora")


def test_a_file_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = Document(4, 4, layers=(PaintLayer(name="a", samples=PIXEL),))
    path = tmp_path / "a.ora"
    openraster.write(document, path)
    before = path.read_bytes()

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    broken: Callable[..., None] = full
    monkeypatch.setattr(openraster._Writer, "_merged", broken)
    with pytest.raises(HostError, match="No space left"):
        openraster.write(document, path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.ora"]  # noqa: PTH208
    with pytest.raises(HostError, match="another place"):
        openraster.write(document, tmp_path / "nowhere" / "a.ora")


def test_writing_over_the_file_that_was_read_is_fine(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.ora")
    for _ in range(3):
        document = openraster.read(path)
        document.change(document.layers[0].layer_id, lambda node: replace(node, name=node.name + "!"))
        openraster.write(document, path)
    assert openraster.read(path).layers[0].name == "a!!!"


def test_memory_for_a_large_canvas_is_that_of_a_band(tmp_path: Path) -> None:
    layer = PaintLayer(name="a", samples=np.full((10, 10, 4), 255, np.uint8), x=4000, y=4000)
    document = Document(8192, 8192, layers=(layer,))
    tracemalloc.start()
    openraster.write(document, tmp_path / "a.ora")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8192 * 8192 * 4 / 8
    assert openraster.read(tmp_path / "a.ora").layers[0].bounds == layer.bounds
