from __future__ import annotations

from pathlib import Path

import pytest

from underpaint.engine.provenance import file_sha256, weight_files
from underpaint.engine.residency import Shelf, Slot
from underpaint.errors import ModelUnusable


def component(root: Path, name: str, size: int) -> Slot:
    folder = root / name
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(name.encode() * size)
    return Slot(str(folder), "float32")


def test_a_component_is_loaded_once_and_shared(tmp_path: Path) -> None:
    shelf, slot = Shelf(1000), component(tmp_path, "unet", 10)
    first = shelf.get(slot, "a", object)
    assert shelf.get(slot, "b", object) is first
    shelf.release("a")
    assert shelf.has(slot)
    shelf.release("b")
    assert not shelf.has(slot)


def test_the_longest_unused_goes_first_and_busy_ones_stay(tmp_path: Path) -> None:
    shelf = Shelf(250)
    slots = [component(tmp_path, name, 100) for name in "abcd"]
    for name, slot in zip("abcd", slots, strict=True):
        shelf.get(slot, name, object)
    shelf.get(slots[0], "a", object)
    assert shelf.trim({"b"}) == ["c", "d"]
    assert [shelf.has(slot) for slot in slots] == [True, True, False, False]
    assert shelf.trim({"a", "b"}) == []


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    def load() -> object:
        raise OSError("bad magic")

    with pytest.raises(ModelUnusable, match="'unet'.*bad magic") as caught:
        Shelf().get(component(tmp_path, "unet", 1), "m", load)
    assert caught.value.metadata["path"] == str(tmp_path / "unet")


def test_a_digest_is_taken_again_only_when_the_file_changed(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"one")
    first = file_sha256(path)
    assert file_sha256(path) == first
    path.write_bytes(b"three")
    assert file_sha256(path) != first


def test_plain_weights_win_over_half_precision_ones(tmp_path: Path) -> None:
    for name in ("model.fp16.safetensors", "model.safetensors"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in weight_files(tmp_path)] == ["model.safetensors"]
    (tmp_path / "model.safetensors").unlink()
    assert [path.name for path in weight_files(tmp_path)] == ["model.fp16.safetensors"]
