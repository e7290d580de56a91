"""Pictures that models made say so in their files, and what they say comes back."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pictures
from PIL.PngImagePlugin import PngInfo

from underpaint.errors import InvalidRequest
from underpaint.testing.reference import ReferenceHost
from underpaint.testing.reference.document import Document
from underpaint.testing.reference.layers import PaintLayer
from underpaint.testing.reference.pictures import read_document, read_told, write_document
from underpaint.types import DataType, Provenance

FROM_WORDS = Provenance(request={"prompt": "rødt murværk 壁", "seed": 0, "steps": 4, "text_to_image": {}})
A_FILL = Provenance(request={"prompt": "moss", "seed": 7, "steps": 4, "inpaint": {"strength": 1.0}})


def sheet(*records: Provenance, value: int = 90, deep: bool = False) -> PaintLayer:
    samples = np.full((6, 5, 4), value * 257 if deep else value, np.uint16 if deep else np.uint8)
    return PaintLayer(name="sheet", samples=samples, made_by=records)


@pytest.mark.parametrize("deep", [False, True], ids=["8 bits", "16 bits"])
@pytest.mark.parametrize("ending", [".png", ".ora"])
def test_files_with_text_chunks_say_it_in_all_three_ways(tmp_path: Path, ending: str, deep: bool) -> None:
    kind = DataType.U16 if deep else DataType.U8
    document = Document(5, 6, data_type=kind, layers=(sheet(FROM_WORDS, deep=deep),))
    path = tmp_path / f"a{ending}"
    assert write_document(document, path) == ""
    told = read_told(path)
    assert told.records == (FROM_WORDS,)
    assert told.source_type == "trainedAlgorithmicMedia"
    assert told.parameters is not None and told.parameters.prompt == FROM_WORDS.prompt
    assert read_document(path).made_by == (FROM_WORDS,)


@pytest.mark.parametrize("ending", [".jpg", ".webp", ".tiff"])
def test_other_formats_say_it_in_xmp(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    write_document(Document(5, 6, layers=(sheet(FROM_WORDS),)), path)
    assert read_told(path).records == (FROM_WORDS,)
    assert read_told(path).source_type == "trainedAlgorithmicMedia"
    assert read_document(path).made_by == (FROM_WORDS,)


def test_what_somebody_painted_says_nothing(tmp_path: Path) -> None:
    write_document(Document(5, 6, layers=(sheet(),)), tmp_path / "a.png")
    with Pictures.open(tmp_path / "a.png") as picture:
        assert set(picture.info) <= {"srgb"}
    assert read_told(tmp_path / "a.png").records == ()


@pytest.mark.parametrize(
    "layers", [(sheet(FROM_WORDS), sheet()), (sheet(A_FILL),)], ids=["beside a painted layer", "a fill"]
)
def test_a_mixture_is_called_one(tmp_path: Path, layers: tuple[PaintLayer, ...]) -> None:
    write_document(Document(5, 6, layers=layers), tmp_path / "a.png")
    assert read_told(tmp_path / "a.png").source_type == "compositeWithTrainedAlgorithmicMedia"


def test_a_picture_goes_on_saying_it_after_the_next_one(tmp_path: Path) -> None:
    write_document(Document(5, 6, layers=(sheet(FROM_WORDS),)), tmp_path / "a.png")
    document = read_document(tmp_path / "a.png")
    document.add(sheet(A_FILL))
    write_document(document, tmp_path / "b.png")
    assert read_told(tmp_path / "b.png").records == (FROM_WORDS, A_FILL)
    document.undo()
    assert document.made_by == (FROM_WORDS,)


def test_each_layer_of_an_openraster_file_keeps_its_own(tmp_path: Path) -> None:
    layers = (sheet(A_FILL), sheet(), sheet(FROM_WORDS))
    write_document(Document(5, 6, layers=layers), tmp_path / "a.ora")
    again = read_document(tmp_path / "a.ora")
    assert [node.made_by for node in again.layers if isinstance(node, PaintLayer)] == [
        (A_FILL,),
        (),
        (FROM_WORDS,),
    ]
    with zipfile.ZipFile(tmp_path / "a.ora") as archive, archive.open("mergedimage.png") as file:
        assert "trainedAlgorithmicMedia".lower() in str(Pictures.open(file).info).lower()


def test_a_prompt_too_long_for_a_format_is_left_out_with_a_note(tmp_path: Path) -> None:
    long = Provenance(request={"prompt": "壁" * 10_000, "negative_prompt": "雨" * 9_000, "seed": 3})
    note = write_document(Document(5, 6, layers=(sheet(long),)), tmp_path / "a.jpg")
    assert "too long" in note
    (record,) = read_told(tmp_path / "a.jpg").records
    assert record.request == {"seed": 3}
    note = write_document(Document(5, 6, layers=(sheet(long, FROM_WORDS),)), tmp_path / "b.jpg")
    assert "Only how the last picture was made" in note
    assert read_told(tmp_path / "b.jpg").records == (FROM_WORDS,)


def test_another_programs_text_is_read(tmp_path: Path) -> None:
    info = PngInfo()
    info.add_text("parameters", "a cat\nSteps: 20, Sampler: Euler a, Seed: 5")
    Pictures.new("RGB", (4, 4)).save(tmp_path / "a.png", pnginfo=info)
    told = read_told(tmp_path / "a.png")
    assert told.records == () and told.parameters is not None
    assert told.parameters.values["Sampler"] == "Euler a"


def test_a_file_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"nothing")
    with pytest.raises(InvalidRequest, match="cannot be read"):
        read_told(tmp_path / "a.png")


def test_the_reference_host_keeps_it_with_the_layer_and_undo_takes_it_away() -> None:
    from underpaint.host import Result, ResultKind
    from underpaint.types import Image

    host = ReferenceHost()
    document = host.open(Document(5, 6))
    image = Image(5, 6, bytes(120), document.format)
    host.write_result(Result(image, ResultKind.LAYER, "moss", document.document_id, provenance=A_FILL))
    assert document.made_by == (A_FILL,)
    document.undo()
    assert document.made_by == ()
