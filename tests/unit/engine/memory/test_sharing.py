"""Checkpoints that carry the same VAE and text encoders keep one copy of them, wherever the files lie."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.single_files import source, write_checkpoint
from tests.tiny_models import build_tiny
from tests.unit.engine.stock import Case, Ours
from underpaint.engine.families.sd15 import StableDiffusion15
from underpaint.engine.memory import content
from underpaint.engine.memory.device import bytes_of
from underpaint.engine.residency import Shelf, Slot
from underpaint.worker_v1.worker_service_pb2 import ModelSource


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two folders of their own that differ in the U-Net only."""
    root = tmp_path_factory.mktemp("pair")
    first, second = build_tiny(root / "first"), build_tiny(root / "second", seed=9)
    for part in ("vae", "text_encoder", "tokenizer"):
        shutil.rmtree(second / part)
        shutil.copytree(first / part, second / part)
    return first, second


def engine(folder: Path, shelf: Shelf) -> Ours:
    """The engine on a shelf that others use, too."""
    ours = Ours(folder)
    ours.family = StableDiffusion15(ModelSource(name=folder.name, path=str(folder)), shelf, "cpu", "float32")
    return ours


def test_two_folders_keep_one_encoder_and_one_vae(pair: tuple[Path, Path]) -> None:
    shelf = Shelf()
    first, second = (engine(folder, shelf) for folder in pair)
    first.family.load()
    alone = shelf.broker.bytes()
    second.family.load()
    both = shelf.broker.bytes()
    unet = bytes_of(second.family._parts.network)
    # The second checkpoint costs its U-Net and not a byte more.
    assert both - alone == unet and unet < alone
    assert second.family._parts.vae is first.family._parts.vae
    assert second.family._parts.network is not first.family._parts.network
    shared, own = second.run(Case("txt2img")), Ours(pair[1]).run(Case("txt2img"))
    assert shared.made is not None and own.made is not None
    assert np.array_equal(shared.made, own.made)
    shelf.release("first")
    assert second.family.loaded and not first.family.loaded
    assert shelf.broker.bytes() == alone


def test_two_single_files_keep_one_encoder_and_one_vae(pair: tuple[Path, Path], tmp_path: Path) -> None:
    shelf = Shelf()
    sizes = []
    for folder in pair:
        file = write_checkpoint(folder, tmp_path / f"{folder.name}.safetensors")
        family = StableDiffusion15(source(folder, file), shelf, "cpu", "float32")
        family.load()
        sizes.append(shelf.broker.bytes())
    assert sizes[1] - sizes[0] == bytes_of(family._parts.network) < sizes[0]


def test_another_tokenizer_makes_another_encoder(pair: tuple[Path, Path], tmp_path: Path) -> None:
    first = pair[0]
    other = Path(shutil.copytree(first, tmp_path / "other"))
    words = other / "tokenizer" / "tokenizer.json"
    words.write_text(words.read_text("utf-8") + "\n", "utf-8")
    shelf = Shelf()
    one, two = engine(first, shelf), engine(other, shelf)
    one.family.load()
    two.family.load()
    assert two.family._parts.vae is one.family._parts.vae
    encoders = [ours.family._parts.text._encoders["text_encoder"].network[1] for ours in (one, two)]
    assert encoders[0] is not encoders[1]


def weights(root: Path, name: str, change: Callable[[bytearray], None] = lambda data: None) -> Slot:
    """A folder with a file of a megabyte of noise."""
    data = bytearray(np.random.default_rng(0).bytes(1 << 20))
    change(data)
    (root / name).mkdir()
    (root / name / "model.safetensors").write_bytes(data)
    return Slot(str(root / name), "torch.float32")


def test_files_that_differ_in_one_byte_are_two_components(tmp_path: Path) -> None:
    def flip(data: bytearray) -> None:
        data[content.SAMPLE_BYTES + 7] ^= 1

    slots = [weights(tmp_path, "a"), weights(tmp_path, "b", flip), weights(tmp_path, "c")]
    # The cheap look does not see it: that is what the full hash is for.
    assert content.mark(slots[0]) == content.mark(slots[1])
    shelf, loaded = Shelf(), []
    for slot in slots:
        loaded.append(shelf.get(slot, "m", lambda: torch.nn.Linear(4, 4)))
    assert loaded[1] is not loaded[0] and loaded[2] is loaded[0]


def test_what_a_cheap_look_tells_apart_is_not_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(slot: Slot) -> str:
        raise AssertionError("hashed in full")

    monkeypatch.setattr(content, "content", refuse)
    shelf = Shelf()
    for name, length in (("a", 1 << 20), ("b", 1 << 19)):
        slot = weights(tmp_path, name, lambda data, length=length: data.__delitem__(slice(length, None)))
        shelf.get(slot, "m", lambda: torch.nn.Linear(4, 4))
    again = weights(tmp_path, "c")
    with pytest.raises(AssertionError, match="hashed in full"):
        shelf.get(again, "m", lambda: torch.nn.Linear(4, 4))


def test_the_same_weights_in_another_number_format_are_another_component(tmp_path: Path) -> None:
    one, two = weights(tmp_path, "a"), weights(tmp_path, "b")
    assert content.mark(one) == content.mark(two)
    assert content.mark(one) != content.mark(Slot(two.folder, "torch.bfloat16"))
