"""A control net in one file steers as its diffusers folder does, to the bit, and needs no network."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import diffusers
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.support import architectures as full
from tests.support.architectures import write_header
from tests.support.control_files import net_file
from tests.support.single_files import shipped
from tests.tiny_models import build_tiny_control
from tests.unit.engine.stock import Case, Ours, distance
from tests.unit.engine.test_control_parity import Steer, latents
from underpaint.engine.controls.describe import base_of_unet
from underpaint.engine.controls.describe_file import describe_net_file, net_config
from underpaint.engine.controls.nets import network_of_file
from underpaint.engine.diffusion import single_file as loading
from underpaint.engine.families.single_file import CONFIGS
from underpaint.engine.residency import Shelf
from underpaint.errors import ModelUnusable
from underpaint.weights import Prober
from underpaint.weights.control_nets import COMPONENT
from underpaint.weights.places import prefix_of
from underpaint.worker_v1 import worker_service_pb2

State = dict[str, torch.Tensor]
SENSITIVITY = 1e-2


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("somebody asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("nets")
    return {
        "plain": build_tiny_control(root / "plain"),
        "sdxl": build_tiny_control(root / "sdxl", kind="sdxl", seed=4),
    }


@pytest.mark.parametrize("naming", ["original", "bare", "diffusers"])
@pytest.mark.parametrize("model", ["plain", "sdxl"])
def test_a_net_in_one_file_steers_as_its_folder_to_the_bit(
    models: Path, folders: dict[str, Path], tmp_path: Path, model: str, naming: str
) -> None:
    ours, folder = Ours(models / model), folders[model]
    file = net_file(folder, tmp_path / "net.safetensors", naming=naming)
    case = Case("txt2img", "euler")
    wanted = latents(ours, case, [Steer(folder, 5, 0.8)])
    assert torch.equal(latents(ours, case, [Steer(file, 5, 0.8)]), wanted)
    for other in ([], [Steer(file, 9, 0.8)], [Steer(file, 5, 0.3)]):
        assert distance(latents(ours, case, other), wanted) >= SENSITIVITY


def test_weights_in_half_precision_are_widened_as_those_of_a_folder(
    models: Path, folders: dict[str, Path], tmp_path: Path
) -> None:
    ours = Ours(models / "plain")
    file = net_file(folders["plain"], tmp_path / "net.safetensors", naming="original", dtype=torch.float16)
    half = diffusers.ControlNetModel.from_pretrained(folders["plain"]).half()
    half.save_pretrained(tmp_path / "half")
    case = Case("txt2img")
    made, wanted = (latents(ours, case, [Steer(place)]) for place in (file, tmp_path / "half"))
    assert torch.equal(made, wanted)
    assert not torch.equal(made, latents(ours, case, [Steer(folders["plain"])]))


@pytest.mark.parametrize("naming", ["original", "diffusers"])
def test_a_net_has_the_weights_that_the_stock_loader_reads_from_the_file(
    folders: dict[str, Path], tmp_path: Path, naming: str
) -> None:
    file = net_file(folders["plain"], tmp_path / "net.safetensors", naming=naming)
    stock = diffusers.ControlNetModel.from_single_file(
        str(file), config=str(folders["plain"]), local_files_only=True
    )
    ours, _ = network_of_file(diffusers.ControlNetModel, COMPONENT, file, net_config(file), torch.float32)
    theirs = stock.state_dict()
    assert ours.state_dict().keys() == theirs.keys()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.state_dict().items())
    # One number stands for each level's.
    told = {name: (value, [value, value]) for name, value in stock.config.items() if name[0] != "_"}
    assert {name for name, values in told.items() if ours.config[name] not in values} == set()


def test_two_files_with_one_net_are_one_in_memory(
    models: Path, folders: dict[str, Path], tmp_path: Path
) -> None:
    ours, shelf = Ours(models / "plain"), Shelf()
    source = worker_service_pb2.ModelSource(name="plain", path=str(models / "plain"))
    ours.family = type(ours.family)(source, shelf, "cpu", "float32")
    one = net_file(folders["plain"], tmp_path / "a" / "net.safetensors", naming="original")
    # Other bytes, the same tensors.
    other = tmp_path / "b" / "net.safetensors"
    other.parent.mkdir()
    save_file(load_file(one), other, metadata={"title": "the same once more"})
    (other.with_name("net.underpaint.json")).write_text((one.with_name("net.underpaint.json")).read_text())
    case = Case("txt2img")
    first, second = (latents(ours, case, [Steer(file)]) for file in (one, other))
    assert torch.equal(first, second)
    assert sum(COMPONENT in held.name for held in shelf.broker.held) == 1


FULL: dict[str, tuple[Callable[[], State], str]] = {
    "lllyasviel's canny": (lambda: full.original_control_net("sd15"), "sd15"),
    "the same without a prefix": (lambda: full.original_control_net("sd15", ""), "sd15"),
    "SD 1.5 in diffusers' names": (lambda: full.control_net("sd15"), "sd15"),
    "SDXL in diffusers' names": (lambda: full.control_net("sdxl"), "sdxl"),
    "SDXL in original names": (lambda: full.original_control_net("sdxl"), "sdxl"),
}
SIZES = {"sd15": 361_279_120, "sdxl": 1_251_014_160}
"""Parameters, as published."""
HEADS = {
    "sd15": {"down_blocks.0": 8, "down_blocks.1": 8, "down_blocks.2": 8, "mid_block": 8},
    "sdxl": {"down_blocks.1": 10, "down_blocks.2": 20, "mid_block": 20},
}


@pytest.mark.parametrize("name", FULL)
def test_a_header_tells_every_layer_of_a_full_net_and_the_model_that_it_fits(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, family = FULL[name]
    state, path = make(), tmp_path / "control_v11p_sd15_canny_fp16.safetensors"
    write_header(path, state)
    assert (Prober().probe(path).kind, Prober().probe(path).family) == ("control-net", family)
    traits = describe_net_file(path, sdxl=family == "sdxl")
    assert traits is not None and describe_net_file(path, sdxl=family != "sdxl") is None
    assert traits.roles == ("canny",)
    assert traits.base == base_of_unet(shipped(CONFIGS / family, "unet"), 4, 8)

    def tensors(_: Path, component: str) -> State:
        prefix = prefix_of(component, state)
        return {name.removeprefix(prefix): tensor for name, tensor in state.items()}

    monkeypatch.setattr(loading, "tensors", tensors)
    net, _ = network_of_file(diffusers.ControlNetModel, COMPONENT, path, net_config(path), torch.float16)
    assert sum(tensor.numel() for tensor in net.parameters()) == SIZES[family]
    inside = [(name, module) for name, module in net.named_modules() if name.endswith(".0.attn2")]
    heads = {name.split(".attentions")[0]: module.heads for name, module in inside}
    assert heads == HEADS[family]


@pytest.mark.parametrize(
    ("naming", "change", "problem"),
    [
        (
            "original",
            lambda state: state.pop("control_model.middle_block_out.0.weight"),
            "it lacks controlnet_mid_block.weight",
        ),
        (
            "original",
            lambda state: state.update({"control_model.odd.weight": torch.zeros(3)}),
            "beyond what this network knows, odd.weight",
        ),
        (
            "diffusers",
            lambda state: state.update({"controlnet_mid_block.weight": torch.zeros(3, 3)}),
            "it misfits controlnet_mid_block.weight",
        ),
    ],
)
def test_a_tensor_too_few_or_too_many_is_an_error_by_name(
    models: Path,
    folders: dict[str, Path],
    tmp_path: Path,
    naming: str,
    change: Callable[[State], object],
    problem: str,
) -> None:
    file = net_file(folders["plain"], tmp_path / "broken.safetensors", naming=naming)
    state = load_file(file)
    change(state)
    save_file(state, file)
    with pytest.raises(ModelUnusable, match=problem) as raised:
        latents(Ours(models / "plain"), Case("txt2img"), [Steer(file)])
    assert raised.value.metadata == {"model": "broken", "path": str(file)}
