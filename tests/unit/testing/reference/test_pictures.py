"""Picture files as documents."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp
from PIL import Image as Pictures

from underpaint.errors import HostError, InvalidRequest, LimitExceeded
from underpaint.testing.reference.document import Document
from underpaint.testing.reference.layers import PaintLayer
from underpaint.testing.reference.merge import merged
from underpaint.testing.reference.pictures import endings, read_document, read_mask, write_document
from underpaint.testing.reference.png import PngFile, PngWriter
from underpaint.types import Bounds, DataType

RNG = np.random.default_rng(3)
DEEP = RNG.integers(0, 65536, (23, 31, 4), np.uint16)
SHALLOW = RNG.integers(0, 256, (23, 31, 4), np.uint8)


def pixels(document: Document) -> np.ndarray:
    return merged(document.layers, document.canvas, document.format.data_type)


@pytest.mark.parametrize("samples", [SHALLOW, DEEP], ids=["8 bits", "16 bits"])
def test_a_png_goes_through_to_the_last_bit(tmp_path: Path, samples: np.ndarray) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), samples[..., [2, 1, 0, 3]])
    document = read_document(tmp_path / "a.png")
    assert np.array_equal(pixels(document), samples)
    write_document(document, tmp_path / "b.png")
    again = cv2.imread(str(tmp_path / "b.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(again[..., [2, 1, 0, 3]], samples)


@pytest.mark.parametrize(("channels", "order"), [(3, [2, 1, 0]), (1, [0, 0, 0])], ids=["colour", "grey"])
def test_deep_pictures_without_alpha_are_opaque(tmp_path: Path, channels: int, order: list[int]) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), DEEP[..., :channels])
    found = pixels(read_document(tmp_path / "a.png"))
    assert np.array_equal(found[..., :3], DEEP[..., order])
    assert (found[..., 3] == 65535).all()


@given(hnp.arrays(np.uint16, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)))
def test_rows_written_in_bands_make_one_picture(values: np.ndarray) -> None:
    import io

    rows = np.stack([values, values[::-1], values[:, ::-1], ~values], axis=2)
    stream = io.BytesIO()
    with PngWriter(stream, rows.shape[1], rows.shape[0], deep=True) as png:
        for y in range(0, rows.shape[0], 2):
            png.write(rows[y : y + 2])
    stream.seek(0)
    assert np.array_equal(PngFile(stream).read().samples, rows)


@pytest.mark.parametrize("ending", [".webp", ".tiff", ".jpg", ".bmp", ".png", ".ora"])
def test_every_ending_is_written_as_what_it_says(tmp_path: Path, ending: str) -> None:
    flat = np.full((20, 30, 4), (200, 100, 50, 255), np.uint8)
    path = tmp_path / f"a{ending}"
    write_document(Document(30, 20, layers=(PaintLayer(name="a", samples=flat),)), path)
    found = pixels(read_document(path))
    assert found.shape == (20, 30, 4)
    assert np.abs(found.astype(int) - flat).max() <= 8
    assert ending in endings()


def test_deep_documents_become_8_bits_where_a_format_has_no_more(tmp_path: Path) -> None:
    deep = np.full((4, 4, 4), (65535, 32896, 129, 65535), np.uint16)
    document = Document(4, 4, data_type=DataType.U16, layers=(PaintLayer(name="a", samples=deep),))
    write_document(document, tmp_path / "a.tiff")
    assert pixels(read_document(tmp_path / "a.tiff"))[0, 0].tolist() == [255, 128, 1, 255]


def test_profile_and_resolution_go_with_a_picture(tmp_path: Path) -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Pictures.new("RGB", (4, 4)).save(tmp_path / "a.png", icc_profile=profile, dpi=(300, 300))
    write_document(read_document(tmp_path / "a.png"), tmp_path / "b.png")
    with Pictures.open(tmp_path / "b.png") as found:
        assert found.info["icc_profile"] == profile
        assert [round(value) for value in found.info["dpi"]] == [300, 300]


def test_a_grey_profile_does_not_go_with_what_became_colour(tmp_path: Path) -> None:
    grey = bytes(12) + b"mntrGRAYXYZ " + bytes(104)
    Pictures.new("L", (4, 4)).save(tmp_path / "a.png", icc_profile=grey)
    assert read_document(tmp_path / "a.png").profile == b""


def test_the_same_file_is_the_same_document(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        Pictures.new("RGB", (4, 4)).save(tmp_path / name)
    first, again, other = (read_document(tmp_path / name).document_id for name in ("a.png", "a.png", "b.png"))
    assert first == again != other
    assert len(first.encode()) <= 256


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.ora"])
@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"text"], ids=["empty", "torn", "text"])
def test_what_is_no_picture_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidRequest, match="cannot be read") as caught:
        read_document(tmp_path / name)
    assert caught.value.violations[0].field == "image"


def test_a_png_that_claims_to_be_huge_is_refused_unread(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 6, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    packed = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks]
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))
    with pytest.raises(LimitExceeded):
        read_document(tmp_path / "a.png")


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    Pictures.new("L", (4, 5)).save(tmp_path / "m.png")
    with pytest.raises(InvalidRequest, match=r"4x5.*6x7"):
        read_mask(tmp_path / "m.png", Bounds(0, 0, 6, 7))
    found = read_mask(tmp_path / "m.png", Bounds(0, 0, 4, 5))
    assert found.coverage.shape == (5, 4)


def test_a_picture_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="another place"):
        write_document(Document(2, 2), tmp_path / "nowhere" / "a.webp")
