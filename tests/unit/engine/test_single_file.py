"""A checkpoint in one file paints what its diffusers folder paints, to the bit, and needs no network."""

from __future__ import annotations

import gzip
import json
import shutil
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from tests.support import architectures as full
from tests.support import original_names as original
from tests.support.single_files import parts_of, shipped, source, weights, write_checkpoint, write_parts
from tests.unit.engine.stock import ENGINES, Case, Ours, family_of
from underpaint.engine.diffusion import single_file as loading
from underpaint.engine.diffusion.tokenizer_files import load_clip_tokenizer
from underpaint.engine.families.single_file import CONFIG, CONFIGS, part_bytes
from underpaint.engine.residency import Shelf, Slot
from underpaint.engine.schedulers import make_scheduler
from underpaint.errors import ModelUnusable
from underpaint.weights.places import prefix_of
from underpaint.worker_v1 import worker_service_pb2

State = dict[str, torch.Tensor]
CASES = (
    Case("txt2img"),
    Case("txt2img", "dpmpp-2m-karras", prompt="green moss", seed=7),
    Case("img2img", "euler", seed=2),
    Case("inpaint", seed=3),
)


class Single(Ours):
    """The engine on one file."""

    def __init__(self, folder: Path, file: Path, files: Mapping[str, Path] | None = None) -> None:
        self.shelf = Shelf()
        described = source(folder, file, files)
        self.family = ENGINES[family_of(folder)](described, self.shelf, "cpu", "float32")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("somebody asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize("model", ["plain", "inpaint", "sdxl", "sdxl-inpaint", "sdxl-refiner"])
def test_a_single_file_paints_what_its_folder_paints_to_the_bit(
    models: Path, tmp_path: Path, model: str
) -> None:
    # The tiny inpainting models have all their parts, so all are whole checkpoints.
    folder = models / model
    ours, single = Ours(folder), Single(folder, write_checkpoint(folder, tmp_path / "it.safetensors"))
    can = {"inpaint": ("inpaint",), "refiner": ("img2img", "inpaint")}.get(model.rpartition("-")[2])
    cases = [case for case in CASES if can is None or case.operation in can]
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


FLUX_CASES = (
    Case("txt2img", "flow-match-euler", negative="", steps=3),
    Case("img2img", "flow-match-euler", negative="", prompt="green moss", seed=2),
    Case("inpaint", "flow-match-euler", negative="", seed=3),
)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("model", ["flux-dev", "flux-schnell", "flux-fill", "flux-kontext"])
def test_flux_in_one_file_or_four_paints_what_its_folder_paints_to_the_bit(
    models: Path, tmp_path: Path, model: str, apart: bool
) -> None:
    folder = models / model
    if apart:
        files = write_parts(folder, tmp_path)
        single = Single(folder, files["transformer"], files)
    else:
        single = Single(folder, write_checkpoint(folder, tmp_path / "it.safetensors"))
    can = {"flux-fill": ("inpaint",), "flux-kontext": ("txt2img",)}.get(model)
    cases = [case for case in FLUX_CASES if can is None or case.operation in can]
    ours, seen = Ours(folder), []
    for case in (*cases, cases[0].but(seed=99)):
        (expected,), (got,) = (one.family.finish(one.run(case)) for one in (ours, single))
        assert np.array_equal(expected.samples, got.samples)
        seen.append(got.samples.tobytes())
    assert len(set(seen)) == len(cases) + 1


def test_the_parts_of_a_file_are_counted_and_kept_apart_in_memory(models: Path, tmp_path: Path) -> None:
    folder, file = models / "plain", tmp_path / "it.safetensors"
    single = Single(folder, write_checkpoint(folder, file))
    single.family.load()
    assert single.family.loaded
    slots = [Slot(str(file), "torch.float32", part) for part in parts_of(folder)]
    assert all(single.shelf.has(slot) for slot in slots)
    sizes = {part: part_bytes(file, part) for part in parts_of(folder)}
    on_disk = {part: next((folder / part).glob("*.safetensors")).stat().st_size for part in sizes}
    assert all(0.5 * on_disk[part] < sizes[part] <= on_disk[part] for part in sizes)
    digests = set(single.family.weights().values())
    assert len(digests) == 1
    single.shelf.release("single")
    assert not single.family.loaded


def with_vae(folder: Path, file: Path) -> worker_service_pb2.ModelSource:
    """A folder whose user named a file for its VAE, as the daemon hands it to a worker."""
    components = {"vae": str(file), CONFIG: str(folder)}
    return worker_service_pb2.ModelSource(name=str(folder), path=str(folder), components=components)


@pytest.mark.parametrize("prefix", ["", "first_stage_model."])
def test_a_vae_in_another_file_is_taken_in_place_of_a_folders_own(
    models: Path, tmp_path: Path, prefix: str
) -> None:
    folder, file = models / "plain", tmp_path / "vae.safetensors"
    state = original.vae(weights(models / "inpaint", "vae"), 4, prefix)
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, file)
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    shutil.rmtree(other / "vae")
    shutil.copytree(models / "inpaint" / "vae", other / "vae")
    chosen, shelf = Ours(folder), Shelf()
    chosen.family = ENGINES["sd15"](with_vae(folder, file), shelf, "cpu", "float32")
    case = CASES[0]
    made, wanted, plain = (
        one.family.finish(one.run(case))[0].samples for one in (chosen, Ours(other), Ours(folder))
    )
    assert np.array_equal(made, wanted) and not np.array_equal(made, plain)
    second = ENGINES["sd15"](with_vae(models / "distilled", file), shelf, "cpu", "float32")
    second.load()
    slot = Slot(str(file), "torch.float32", "vae", (str(folder / "vae"),))
    assert shelf.has(slot)
    assert sum(held.component is not None for held in shelf.broker.held if "vae" in held.name) == 1


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


# Parameters of U-Net, VAE and text encoders, as published (the refiner's U-Net: as its layers add up). An
# inpainting U-Net's first convolution is wider.
SIZES = {
    "sd15": (859_520_964, 83_653_863, 123_060_480, 0),
    "sd15-inpaint": (859_520_964 + 5 * 320 * 9, 83_653_863, 123_060_480, 0),
    "sdxl": (2_567_463_684, 83_653_863, 123_060_480, 694_659_840),
    "sdxl-inpaint": (2_567_463_684 + 5 * 320 * 9, 83_653_863, 123_060_480, 694_659_840),
    "sdxl-refiner": (2_259_526_660, 83_653_863, 0, 694_659_840),
}
FULL: dict[str, Callable[[], State]] = {
    "sd15": full.sd15_checkpoint,
    "sd15-inpaint": lambda: full.sd15_checkpoint(9),
    "sdxl": full.sdxl_checkpoint,
    "sdxl-inpaint": lambda: full.sdxl_checkpoint(9),
    "sdxl-refiner": full.refiner_checkpoint,
}


@pytest.mark.parametrize("family", SIZES)
def test_the_shipped_configurations_take_every_name_and_shape_of_a_full_checkpoint(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, home, nowhere = FULL[family](), CONFIGS / family, Path("nowhere")

    def tensors(path: Path, component: str) -> State:
        prefix = prefix_of(component, state)
        return {name.removeprefix(prefix): state[name] for name in state if name.startswith(prefix)}

    monkeypatch.setattr(loading, "tensors", tensors)
    kinds: dict[str, Any] = {"unet": UNet2DConditionModel, "vae": AutoencoderKL}
    texts: dict[str, Any] = {"text_encoder": CLIPTextModel, "text_encoder_2": CLIPTextModelWithProjection}
    made = {
        name: loading.load_network(kind, name, nowhere, shipped(home, name), torch.float16)
        for name, kind in kinds.items()
    }
    for name, kind in texts.items():
        if (home / name).is_dir():
            made[name] = loading.load_clip(kind, name, nowhere, shipped(home, name))
    sizes = {name: sum(tensor.numel() for tensor in made[name].parameters()) for name in made}
    assert tuple(sizes.get(name, 0) for name in (*kinds, *texts)) == SIZES[family]


@pytest.mark.parametrize("name", ["euler", "euler-a", "dpmpp-2m", "ddim"])
def test_a_schedule_down_to_no_signal_leaves_none(name: str) -> None:
    def last(folder: str) -> float:
        file = CONFIGS / "sdxl" / folder / "scheduler_config.json"
        return float(make_scheduler(name, json.loads(file.read_text())).alphas_cumprod[-1])

    assert last("scheduler-v-zero-snr") < 1e-6 < 1e-3 < last("scheduler-v")


def test_a_tokenizer_is_made_from_the_list_of_merges_that_packages_carry(tmp_path: Path) -> None:
    merges = ["#version: 0.2", "m o", "s s</w>", "mo ss</w>"]
    file = tmp_path / "bpe_simple_vocab_16e6.txt.gz"
    file.write_bytes(gzip.compress("\n".join(merges).encode()))
    tokenizer = load_clip_tokenizer(file, 77)
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
    assert load_clip_tokenizer(folder, 77).model_max_length == 77
