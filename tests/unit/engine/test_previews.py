"""Previews by a tiny autoencoder: what it shows, where it is not used, and what it must not cost."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny
from safetensors.torch import save_file

from tests.unit.engine.stock import ENGINES, Case, family_of
from underpaint.engine.diffusion.autoencoder import Autoencoder
from underpaint.engine.diffusion.components import Components
from underpaint.engine.diffusion.job import DiffusionTask
from underpaint.engine.diffusion.latent_family import LatentFamily
from underpaint.engine.diffusion.previews import COMPONENT, COMPUTING, SHARE, Previews
from underpaint.engine.family import Assignment
from underpaint.engine.memory.broker import Broker
from underpaint.engine.memory.simulated import SimulatedDevice
from underpaint.engine.preview import shrunk
from underpaint.engine.residency import Shelf, Slot
from underpaint.types import Preview, StageKind
from underpaint.worker_v1.worker_service_pb2 import ModelSource

EDGE = (48, 64)
CASE = Case("txt2img", steps=3, width=EDGE[0], height=EDGE[1])


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Tiny autoencoders with random weights, by channels of their latents."""
    root = tmp_path_factory.mktemp("tiny")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        for channels in (4, 16):
            AutoencoderTiny(
                latent_channels=channels,
                encoder_block_out_channels=(8, 8, 8, 8),
                decoder_block_out_channels=(8, 8, 8, 8),
                num_encoder_blocks=(1, 1, 1, 1),
                num_decoder_blocks=(1, 1, 1, 1),
                scaling_factor=1.25,
                shift_factor=0.5,
            ).save_pretrained(root / str(channels))
    return {channels: root / str(channels) for channels in (4, 16)}


def family_with(model: Path, preview: Path | None, shelf: Shelf | None = None) -> LatentFamily:
    components = {} if preview is None else {COMPONENT: str(preview)}
    source = ModelSource(name=model.name, path=str(model), components=components)
    return ENGINES[family_of(model)](source, shelf or Shelf(), "cpu", "float32")


def halfway(family: LatentFamily) -> DiffusionTask:
    """A job with two of its three steps done."""
    case = CASE.but(scheduler="flow-match-euler", guidance=0.0) if "flux" in family.name else CASE
    task = family.prepare(Assignment("jobs/1", case.spec(), {}))
    while task.plan[task.stage_index].kind is not StageKind.DENOISING or task.stage_step < 2:
        family.step([task])
    return task


def pixels(preview: Preview | None) -> np.ndarray:
    assert preview is not None
    return np.frombuffer(preview.rgb, np.uint8).reshape(preview.height, preview.width, 3).astype(int)


def decoded(folder: Path, latents: torch.Tensor) -> np.ndarray:
    """What diffusers makes of latents of a model, which are scaled as the model has them."""
    network = AutoencoderTiny.from_pretrained(folder)
    with torch.inference_mode():
        picture = network.decode(latents / 1.25 + 0.5).sample[0]
    return ((picture / 2 + 0.5).clamp(0, 1) * 255).permute(1, 2, 0).numpy()


@pytest.mark.parametrize(("model", "channels"), [("plain", 4), ("sdxl", 4), ("flux-schnell", 16)])
def test_a_preview_is_what_the_tiny_autoencoder_makes_of_the_latents(
    models: Path, tiny: dict[int, Path], model: str, channels: int
) -> None:
    family = family_with(models / model, tiny[channels])
    task = halfway(family)
    sampler = task.current.sampler
    latents = task.current.latents if sampler.predicted is None else sampler.predicted
    assert latents is not None
    preview = family.preview(task)
    shown = pixels(preview)
    assert preview is not None and preview.step == 2 and shown.shape == (*EDGE[::-1], 3)
    assert np.abs(shown - decoded(tiny[channels], latents)).max() <= 0.51
    linear = pixels(family_with(models / model, None).preview(task))
    assert linear.shape == shown.shape and np.abs(shown - linear).mean() > 3.0
    assert not [note for note in task.notes if note.startswith("Previews")]


@pytest.mark.parametrize("naming", ["its author's, decoder alone", "diffusers'"])
def test_a_tiny_autoencoder_in_one_file_shows_what_its_folder_shows(
    models: Path, tmp_path: Path, naming: str
) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(6)
        built = AutoencoderTiny(
            decoder_block_out_channels=(8, 8, 8, 8),
            num_decoder_blocks=(2, 1, 1, 1),
            encoder_block_out_channels=(8,) * 4,
        )
    built.save_pretrained(tmp_path / "taesd")
    state = dict(built.state_dict())
    if naming.startswith("its author"):
        # The clamp is a layer there, the first.
        split = (name.removeprefix("decoder.layers.").partition(".") for name in state if "decoder" in name)
        state = {f"{int(n) + 1}.{rest}": state[f"decoder.layers.{n}.{rest}"] for n, _, rest in split}
    file = tmp_path / "taesd_decoder.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, file)
    shown = []
    for place in (tmp_path / "taesd", file, None):
        family = family_with(models / "plain", place)
        shown.append(pixels(family.preview(halfway(family))))
    assert np.array_equal(shown[0], shown[1]) and np.abs(shown[0] - shown[2]).mean() > 3.0


def test_large_latents_are_averaged_before_they_are_decoded(models: Path, tiny: dict[int, Path]) -> None:
    family = family_with(models / "plain", tiny[4])
    task = halfway(family)
    latents = torch.randn((1, 4, 60, 96), generator=torch.Generator().manual_seed(3))
    task.current.sampler.predicted = latents
    shown = pixels(family.preview(task))
    assert shown.shape == (80, 128, 3)
    averaged = latents.reshape(1, 4, 10, 6, 16, 6).mean((3, 5))
    assert np.abs(shown - decoded(tiny[4], averaged)).max() <= 0.51


def test_where_decoding_is_quick_previews_are_as_large_as_any() -> None:
    assert shrunk(torch.zeros(1, 4, 60, 96), 8).shape == (1, 4, 20, 32)
    assert shrunk(torch.zeros(1, 4, 20, 32), 8).shape == (1, 4, 20, 32)
    assert shrunk(torch.zeros(1, 4, 1, 400), 8).shape == (1, 4, 1, 32)


@pytest.mark.parametrize("fault", ["truncated", "other latents", "gone", "another network"])
def test_a_tiny_autoencoder_that_cannot_be_used_costs_no_job_its_picture(
    models: Path, tiny: dict[int, Path], tmp_path: Path, fault: str
) -> None:
    folder = tmp_path / "taesd"
    shutil.copytree(tiny[16 if fault == "other latents" else 4], folder)
    weights = folder / "diffusion_pytorch_model.safetensors"
    if fault == "truncated":
        weights.write_bytes(weights.read_bytes()[:-1000])
    elif fault == "gone":
        shutil.rmtree(folder)
    elif fault == "another network":
        shutil.copytree(models / "plain" / "vae", folder, dirs_exist_ok=True)
    family = family_with(models / "plain", folder)
    task = halfway(family)
    shown = pixels(family.preview(task))
    linear = pixels(family_with(models / "plain", None).preview(task))
    # Fitted twice: least squares round differently with where in memory they lie.
    assert np.abs(shown - linear).max() <= 1
    assert family.preview(task) is not None
    (note,) = task.notes
    assert note.startswith("Previews were softer than they could be: ") and "taesd" in note
    while not task.ready_to_finish:
        family.step([task])
    assert task.made is not None


def test_a_preview_that_takes_long_is_not_made_often(models: Path, tiny: dict[int, Path]) -> None:
    family = family_with(models / "plain", tiny[4])
    task, other = halfway(family), halfway(family)
    assert family.preview(task) is not None
    begun = time.monotonic()
    task.next_preview = 0.0
    assert family.preview(task) is not None
    took = time.monotonic() - begun
    assert begun < task.next_preview <= time.monotonic() + took * (1 / SHARE - 1)
    task.next_preview = time.monotonic() + 60.0
    assert family.preview(task) is None
    # Every job has its own share.
    assert family.preview(other) is not None


def slot(root: Path, name: str) -> Slot:
    (root / name).mkdir()
    (root / name / "model.safetensors").write_bytes(name.encode() * 100)
    return Slot(str(root / name), "float32")


def test_nothing_leaves_the_device_for_a_preview_and_its_network_is_the_first_to_go(tmp_path: Path) -> None:
    def weights() -> torch.nn.Module:
        return torch.nn.Linear(10, 10, bias=False)  # 400 bytes

    shelf = Shelf(broker=Broker(SimulatedDevice(1300), reserve=0))
    device = shelf.broker.device
    unet, vae, tiny, text = (slot(tmp_path, name) for name in ("unet", "avae", "tiny", "text"))
    shelf.get(unet, "m", weights)
    shelf.broker.rest()
    assert shelf.spare(tiny, "m", weights, computing=600) is None and not shelf.has(tiny)
    assert shelf.spare(tiny, "m", weights, computing=400) is not None
    shelf.get(vae, "m", weights)
    shelf.broker.rest()
    # On the device already, it needs room for computing only; there is less than that.
    assert device.free() == 100
    assert shelf.spare(tiny, "m", weights, computing=101) is None
    assert shelf.spare(tiny, "m", weights, computing=100) is not None
    shelf.get(text, "m", weights)
    states = {held.slots[0].folder.rsplit("/", 1)[1]: held.state.value for held in shelf.broker.held}
    assert states == {"unet": "vram", "avae": "vram", "text": "vram", "tiny": "ram"}


def test_without_room_previews_are_linear(models: Path, tiny: dict[int, Path]) -> None:
    parts = {"vae": models / "plain" / "vae", COMPONENT: tiny[4]}
    task = halfway(family_with(models / "plain", None))
    shown = []
    for total in (COMPUTING, 2 * COMPUTING):
        shelf = Shelf(broker=Broker(SimulatedDevice(total), reserve=0))
        components = Components(parts, "m", shelf, "cpu", "float32")
        with torch.inference_mode():
            latents = torch.ones(1, 4, 2, 2)
            preview = Previews(components, Autoencoder(components)).render(latents, 1, task)
        assert components.has(COMPONENT) == (total > COMPUTING)
        shown.append(pixels(preview))
    linear, sharp = shown
    assert task.notes == [] and not np.array_equal(linear, sharp)
