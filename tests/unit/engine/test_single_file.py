"""A checkpoint in one file paints what its diffusers folder paints, to the bit, and needs no network."""

from __future__ import annotations

import gzip
import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel

from tests.support import architectures as full
from tests.support import original_names as original
from tests.unit.engine.stock import Case, Ours
from underpaint.engine.diffusion import single_file as loading
from underpaint.engine.families.sd15 import StableDiffusion15
from underpaint.engine.families.single_file import CONFIG, CONFIGS, PREFIXES, part_bytes
from underpaint.engine.residency import Shelf, Slot
from underpaint.errors import ModelUnusable
from underpaint.worker_v1 import worker_service_pb2

State = dict[str, torch.Tensor]
CASES = (
    Case("txt2img"),
    Case("txt2img", "dpmpp-2m-karras", prompt="green moss", seed=7),
    Case("img2img", "euler", seed=2),
    Case("inpaint", seed=3),
)


def write_checkpoint(folder: Path, file: Path, change: Callable[[State], None] = lambda state: None) -> Path:
    """A tiny diffusers folder as one file under the original names, with its traits beside it."""

    def weights(component: str) -> State:
        return load_file(next((folder / component).glob("*.safetensors")))

    state = {
        **original.unet(weights("unet"), 1),
        **original.vae(weights("vae"), 4),
        **original.clip(weights("text_encoder")),
        # What whole checkpoints carry and no network needs.
        "cond_stage_model.transformer.text_model.embeddings.position_ids": torch.arange(77)[None],
        "cond_stage_model.logit_scale": torch.ones(()),
        "model_ema.decay": torch.ones(()),
        "alphas_cumprod": torch.ones(1000),
    }
    change(state)
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, file)
    shutil.copy(folder / "underpaint.json", file.with_name(f"{file.stem}.underpaint.json"))
    return file


def source(folder: Path, file: Path) -> worker_service_pb2.ModelSource:
    """As the daemon hands it to a worker, with the tiny model's configurations for the shipped ones."""
    components = {part: str(file) for part in PREFIXES}
    others = {"tokenizer": folder / "tokenizer", "scheduler": folder / "scheduler", CONFIG: folder}
    components |= {name: str(path) for name, path in others.items()}
    return worker_service_pb2.ModelSource(name="single", path=str(file), components=components)


class Single(Ours):
    """The engine on one file."""

    def __init__(self, folder: Path, file: Path) -> None:
        self.shelf = Shelf()
        self.family = StableDiffusion15(source(folder, file), self.shelf, "cpu", "float32")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("somebody asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize("model", ["plain", "inpaint"])
def test_a_single_file_paints_what_its_folder_paints_to_the_bit(
    models: Path, tmp_path: Path, model: str
) -> None:
    # The tiny inpainting model has all its parts, so both are whole checkpoints.
    folder = models / model
    ours, single = Ours(folder), Single(folder, write_checkpoint(folder, tmp_path / "it.safetensors"))
    cases = [case for case in CASES if model == "plain" or case.operation == "inpaint"]
    seen = []
    for case in cases:
        theirs, mine = ours.run(case), single.run(case)
        assert theirs.current.latents is not None and mine.current.latents is not None
        assert torch.equal(theirs.current.latents, mine.current.latents)
        (expected,), (got,) = ours.family.finish(theirs), single.family.finish(mine)
        assert np.array_equal(expected.samples, got.samples)
        seen.append(got.samples.tobytes())
    assert len(set(seen)) == len(cases)
    other = single.family.finish(single.run(cases[0].but(seed=99)))[0].samples
    assert other.tobytes() not in seen


def test_the_parts_of_a_file_are_counted_and_kept_apart_in_memory(models: Path, tmp_path: Path) -> None:
    folder, file = models / "plain", tmp_path / "it.safetensors"
    single = Single(folder, write_checkpoint(folder, file))
    single.family.load()
    assert single.family.loaded
    slots = [Slot(str(file), "torch.float32", part) for part in PREFIXES]
    assert all(single.shelf.has(slot) for slot in slots)
    sizes = {part: part_bytes(file, part) for part in PREFIXES}
    on_disk = {part: next((folder / part).glob("*.safetensors")).stat().st_size for part in PREFIXES}
    assert all(0.5 * on_disk[part] < sizes[part] <= on_disk[part] for part in PREFIXES)
    digests = set(single.family.weights().values())
    assert len(digests) == 1
    single.shelf.release("single")
    assert not single.family.loaded


UNET_KEY = "model.diffusion_model.middle_block.1.proj_in.weight"
VAE_KEY = "first_stage_model.decoder.conv_in.weight"
TEXT_KEY = "cond_stage_model.transformer.text_model.final_layer_norm.weight"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda state: state.pop(UNET_KEY), "it lacks mid_block.attentions.0.proj_in.weight"),
        (lambda state: state.pop(VAE_KEY), "it lacks decoder.conv_in.weight"),
        (lambda state: state.pop(TEXT_KEY), r"it lacks (text_model\.)?final_layer_norm.weight"),
        (
            lambda state: state.update({UNET_KEY: torch.zeros(3, 3)}),
            "it misfits mid_block.attentions.0.proj_in.weight",
        ),
        (
            lambda state: state.update({UNET_KEY.replace("proj_in", "extra"): torch.zeros(3)}),
            "beyond what this network knows, mid_block.attentions.0.extra.weight",
        ),
    ],
)
def test_a_tensor_too_few_or_too_many_is_an_error_by_name(
    models: Path, tmp_path: Path, change: Callable[[State], Any], problem: str
) -> None:
    folder = models / "plain"
    file = write_checkpoint(folder, tmp_path / "broken.safetensors", lambda state: change(state))
    with pytest.raises(ModelUnusable, match=problem) as raised:
        Single(folder, file).family.load()
    assert raised.value.metadata == {"model": "broken", "path": str(file)}


@pytest.mark.parametrize("family", ["sd15", "sd15-inpaint"])
def test_the_shipped_configurations_take_every_name_and_shape_of_a_full_checkpoint(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = full.sd15_checkpoint(9 if family.endswith("inpaint") else 4)

    def tensors(path: Path, component: str) -> State:
        return {name: tensor for name, tensor in state.items() if name.startswith(PREFIXES[component])}

    monkeypatch.setattr(loading, "_tensors", tensors)

    def config(component: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((CONFIGS / family / component / "config.json").read_text())
        return content

    nowhere = Path("nowhere")
    unet = loading.load_network(UNet2DConditionModel, "unet", nowhere, config("unet"), torch.float16)
    vae = loading.load_network(AutoencoderKL, "vae", nowhere, config("vae"), torch.float16)
    text = loading.load_clip(CLIPTextModel, "text_encoder", nowhere, config("text_encoder"))
    # The published sizes of Stable Diffusion 1.5, and of its inpainting U-Net's wider first convolution.
    wider = 5 * 320 * 9 if family.endswith("inpaint") else 0
    assert sum(tensor.numel() for tensor in unet.parameters()) == 859_520_964 + wider
    assert sum(tensor.numel() for tensor in vae.parameters()) == 83_653_863
    assert sum(tensor.numel() for tensor in text.parameters()) == 123_060_480


def test_a_tokenizer_is_made_from_the_list_of_merges_that_packages_carry(tmp_path: Path) -> None:
    merges = ["#version: 0.2", "m o", "s s</w>", "mo ss</w>"]
    file = tmp_path / "bpe_simple_vocab_16e6.txt.gz"
    file.write_bytes(gzip.compress("\n".join(merges).encode()))
    tokenizer = loading.load_tokenizer(file, 77)
    assert len(tokenizer) == 512 + 3 + 2
    # Letters, letters that end a word, merges, then the two marks: "moss" is the third merge.
    assert tokenizer("moss a").input_ids == [515, 514, 256 + ord("a") - ord("!"), 516]
    assert tokenizer.model_max_length == 77


def test_a_tokenizer_that_does_not_say_how_much_fits_takes_what_the_encoder_takes(
    models: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "tokenizer"
    shutil.copytree(models / "plain" / "tokenizer", folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config.pop("model_max_length", None)
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    assert loading.load_tokenizer(folder, 77).model_max_length == 77
