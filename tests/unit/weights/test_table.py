"""Kind and family of full-size files with their original names and shapes, from their headers alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.support import adapter_names as adapters
from tests.support import architectures as full
from tests.support import original_names as original
from tests.support.architectures import write_header
from underpaint.weights import Prober
from underpaint.weights.safetensors import read_safetensors
from underpaint.weights.tiny_decoders import tiny_decoder_config

State = dict[str, torch.Tensor]
WHOLE = ("unet", "vae", "text_encoder")

FILES: dict[str, tuple[Callable[[], State], str, str]] = {
    "SD 1.5": (full.sd15_checkpoint, "checkpoint", "sd15"),
    "SD 1.5 inpainting": (lambda: full.sd15_checkpoint(9), "checkpoint", "sd15-inpaint"),
    "InstructPix2Pix": (lambda: full.sd15_checkpoint(8), "checkpoint", "unknown"),
    "SD 2": (full.sd2_checkpoint, "checkpoint", "sd2"),
    "SD 2 inpainting": (lambda: full.sd2_checkpoint(9), "checkpoint", "sd2-inpaint"),
    "SDXL": (full.sdxl_checkpoint, "checkpoint", "sdxl"),
    "SDXL inpainting": (lambda: full.sdxl_checkpoint(9), "checkpoint", "sdxl-inpaint"),
    "SDXL refiner": (full.refiner_checkpoint, "checkpoint", "sdxl-refiner"),
    "FLUX dev, all in one": (full.flux_checkpoint, "checkpoint", "flux-dev"),
    "FLUX dev": (lambda: original.flux(full.flux()), "transformer", "flux-dev"),
    "FLUX schnell": (lambda: original.flux(full.flux(guidance=False)), "transformer", "flux-schnell"),
    "FLUX Fill": (lambda: original.flux(full.flux(channels=384)), "transformer", "flux-fill"),
    "FLUX Canny or Depth": (lambda: original.flux(full.flux(channels=128)), "transformer", "flux-control"),
    "FLUX dev under a prefix": (
        lambda: original.flux(full.flux(), "model.diffusion_model."),
        "transformer",
        "flux-dev",
    ),
    "FLUX dev in diffusers' naming": (full.flux, "transformer", "flux-dev"),
    "Chroma": (
        lambda: {
            **original.flux(full.flux(guidance=False)),
            "distilled_guidance_layer.in_proj.weight": torch.empty(5120, 64, device="meta"),
        },
        "transformer",
        "unknown",
    ),
    "U-Net of SD 1.5": (lambda: original.unet(full.unet("sd15"), 2, ""), "unet", "sd15"),
    "U-Net of SDXL in diffusers' naming": (lambda: full.unet("sdxl"), "unet", "sdxl"),
    "U-Net of the refiner in diffusers' naming": (lambda: full.unet("sdxl-refiner"), "unet", "sdxl-refiner"),
    "AnimateDiff": (
        lambda: {
            **full.unet("sd15"),
            "down_blocks.0.motion_modules.0.proj_in.weight": torch.empty(320, 320, device="meta"),
        },
        "unet",
        "unknown",
    ),
    "VAE of SD": (lambda: original.vae(full.vae(), 4, ""), "vae", "sd15/sd2/sdxl"),
    "VAE of SD in diffusers' naming": (full.vae, "vae", "sd15/sd2/sdxl"),
    "VAE of FLUX": (lambda: original.vae(full.vae(16), 4, ""), "vae", "flux/sd3"),
    "TAESD": (full.tiny_vae, "tiny-vae", "taesd/taesdxl"),
    "TAESD's decoder alone": (full.tiny_decoder, "tiny-vae", "taesd/taesdxl"),
    "TAEF1": (lambda: full.tiny_vae(16), "tiny-vae", "taef1/taesd3"),
    "CLIP L": (lambda: original.clip(full.clip("clip-l"), ""), "text-encoder", "clip-l"),
    "CLIP L, as it is named today": (lambda: full.clip("clip-l"), "text-encoder", "clip-l"),
    "CLIP G": (lambda: original.clip(full.clip("clip-g"), ""), "text-encoder", "clip-g"),
    "OpenCLIP H": (lambda: original.open_clip(full.clip("clip-h"), ""), "text-encoder", "clip-h"),
    "T5 XXL": (full.t5, "text-encoder", "t5-xxl"),
    "CLIP vision": (full.clip_vision, "image-encoder", "clip-vit-h"),
    "control net of SD 1.5 in diffusers' naming": (lambda: full.control_net("sd15"), "control-net", "sd15"),
    "control net of SDXL in diffusers' naming": (lambda: full.control_net("sdxl"), "control-net", "sdxl"),
    "control net of SD 1.5": (lambda: full.original_control_net("sd15"), "control-net", "sd15"),
    "control net of SD 2 without a prefix": (
        lambda: full.original_control_net("sd2", prefix=""),
        "control-net",
        "sd2",
    ),
    "kohya's LoRA of SD 1.5": (lambda: adapters.kohya("sd15"), "lora", "sd15"),
    "kohya's LoRA of SD 2": (lambda: adapters.kohya("sd2"), "lora", "sd2"),
    "kohya's LoRA of SDXL": (lambda: adapters.kohya("sdxl"), "lora", "sdxl"),
    "kohya's LoRA of FLUX": (lambda: adapters.kohya("flux"), "lora", "flux"),
    "kohya's LoRA of the text encoder": (adapters.kohya_text_only, "lora", "sd15"),
    "diffusers' LoRA of SD 1.5": (lambda: adapters.diffusers("sd15"), "lora", "sd15"),
    "diffusers' LoRA of SDXL": (lambda: adapters.diffusers("sdxl"), "lora", "sdxl"),
    "diffusers' LoRA of FLUX": (lambda: adapters.diffusers("flux"), "lora", "flux"),
    "XLabs' LoRA of FLUX": (adapters.xlabs, "lora", "flux"),
    "BFL's LoRA of FLUX Depth": (adapters.flux_control, "control-lora", "flux"),
    "LoHa of SD 1.5": (lambda: adapters.loha("sd15"), "lora", "sd15"),
    "LoKr of SDXL": (lambda: adapters.lokr("sdxl"), "lora", "sdxl"),
    "IP-Adapter of SD 1.5": (lambda: adapters.ip_adapter(768), "ip-adapter", "sd15"),
    "IP-Adapter of SDXL": (lambda: adapters.ip_adapter(2048), "ip-adapter", "sdxl"),
    "IP-Adapter FaceID": (lambda: adapters.ip_adapter(768, face=True), "ip-adapter", "sd15"),
    "IP-Adapter of FLUX": (adapters.flux_ip_adapter, "ip-adapter", "flux"),
    "T2I-Adapter of SD 1.5": (lambda: adapters.t2i_adapter(192), "t2i-adapter", "sd15"),
    "T2I-Adapter of SDXL": (lambda: adapters.t2i_adapter(768), "t2i-adapter", "sdxl"),
    "ESRGAN": (lambda: adapters.esrgan(old=False), "upscaler", "esrgan"),
    "ESRGAN of old": (lambda: adapters.esrgan(old=True), "upscaler", "esrgan"),
    "Real-ESRGAN compact": (adapters.compact, "upscaler", "realesrgan-compact"),
    "embedding of SD 1.5": (lambda: {"emb_params": torch.empty(4, 768)}, "embedding", "sd15"),
    "embedding of SD 2": (lambda: {"<moss>": torch.empty(1024)}, "embedding", "sd2"),
    "embedding of SDXL": (
        lambda: {"clip_l": torch.empty(2, 768), "clip_g": torch.empty(2, 1280)},
        "embedding",
        "sdxl",
    ),
    "something else": (lambda: {"layer.weight": torch.empty(4, 4)}, "unknown", "unknown"),
}


@pytest.mark.parametrize(("make", "kind", "family"), FILES.values(), ids=FILES.keys())
def test_a_file_is_told_by_its_names_and_shapes(
    tmp_path: Path, make: Callable[[], State], kind: str, family: str
) -> None:
    found = Prober().probe(write_header(tmp_path / "model.safetensors", make()))
    assert (found.kind, found.family, found.problem) == (kind, family, "")


@pytest.mark.parametrize("name", ["SD 1.5", "SD 2", "SDXL"])
def test_a_checkpoint_says_what_is_in_it(tmp_path: Path, name: str) -> None:
    found = Prober().probe(write_header(tmp_path / "model.safetensors", FILES[name][0](), dtype="BF16"))
    assert (found.parts, found.dtype, found.vocabulary) == (WHOLE, "BF16", 49408)


def test_every_u_net_that_lacks_a_layer_or_has_one_more_is_unknown(tmp_path: Path) -> None:
    state = original.unet(full.unet("sdxl"), 2)
    last = "input_blocks.8.1.transformer_blocks.9."
    less = {name: tensor for name, tensor in state.items() if last not in name}
    more = {**state, **{n.replace(".9.", ".10."): t for n, t in state.items() if last in n}}
    for index, changed in enumerate((less, more)):
        found = Prober().probe(write_header(tmp_path / f"{index}.safetensors", changed))
        assert (found.kind, found.family) == ("unet", "unknown")


@pytest.mark.parametrize(
    ("name", "metadata"),
    [
        ("flux1-kontext-dev", {}),
        ("mine", {"modelspec.architecture": "flux-1-kontext"}),
        ("mine", {"modelspec.title": "FLUX.1 Kontext dev"}),
    ],
)
def test_kontext_has_the_tensors_of_dev_and_is_told_by_its_name_or_metadata(
    tmp_path: Path, name: str, metadata: dict[str, str]
) -> None:
    state = original.flux(full.flux())
    prober = Prober()
    plain = prober.probe(write_header(tmp_path / "dev.safetensors", state))
    found = prober.probe(write_header(tmp_path / f"{name}.safetensors", state, metadata=metadata))
    assert (plain.family, found.family) == ("flux-dev", "flux-kontext")


@pytest.mark.parametrize(
    ("said", "family"),
    [("sdxl_base_v1-0", "sdxl"), ("sd_v1", "sd15"), ("flux1", "flux"), ("moonlight", "unknown")],
)
def test_a_lora_that_its_names_do_not_tell_is_told_by_its_training_log(
    tmp_path: Path, said: str, family: str
) -> None:
    state = {"odd.lora_down.weight": torch.empty(4, 8), "odd.lora_up.weight": torch.empty(8, 4)}
    path = write_header(tmp_path / "it.safetensors", state, metadata={"ss_base_model_version": said})
    assert (Prober().probe(path).kind, Prober().probe(path).family) == ("lora", family)


@pytest.mark.parametrize("make", [full.tiny_vae, full.tiny_decoder])
def test_the_header_of_a_tiny_autoencoder_tells_how_its_decoder_is_built(
    tmp_path: Path, make: Callable[[], State]
) -> None:
    listing = read_safetensors(write_header(tmp_path / "taesd.safetensors", make()))
    config = tiny_decoder_config(listing)
    assert config is not None
    assert (config["num_decoder_blocks"], config["block_out_channels"]) == ([3, 3, 3, 1], [64] * 4)
