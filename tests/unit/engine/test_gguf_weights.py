"""FLUX's transformer out of a GGUF file: packed in memory, unpacked layer by layer, the same numbers."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from diffusers import FluxTransformer2DModel
from safetensors.torch import save_file

from tests.support import original_names as original
from tests.support.single_files import flux_state, source, write_parts
from tests.unit.engine.stock import ENGINES, Case, Ours
from tests.unit.engine.test_flux_files import run, tiny_transformer
from underpaint.engine.diffusion import single_file as loading
from underpaint.engine.diffusion.flux_names import flux_to_diffusers
from underpaint.engine.residency import Shelf
from underpaint.weights.gguf import UNPACKED

State = dict[str, torch.Tensor]


def write(file: Path, state: State, kind: Any, prefix: str = "") -> State:
    """Matrices packed as `kind`, the rest as float32, as quantisers of FLUX do; what the file then says."""
    writer = gguf.GGUFWriter(file, "flux")
    said: State = {}
    for name, tensor in state.items():
        values = tensor.float().numpy()
        packs = tensor.ndim == 2 and tensor.shape[1] % gguf.GGML_QUANT_SIZES[kind][0] == 0
        if packs:
            packed = gguf.quantize(values, kind)
            writer.add_tensor(prefix + name, packed, raw_dtype=kind)
            numbers = torch.from_numpy(np.ascontiguousarray(gguf.dequantize(packed, kind)))
            # diffusers unpacks in float16, but for what was bfloat16.
            said[name] = numbers if kind == gguf.GGMLQuantizationType.BF16 else numbers.half().float()
        else:
            writer.add_tensor(prefix + name, values)
            said[name] = torch.from_numpy(values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return said


def read(file: Path, network: FluxTransformer2DModel) -> Any:
    return loading.load_network(
        FluxTransformer2DModel, "transformer", file, dict(network.config), torch.float32
    )


# In float16 a scale times a number is rounded once; an offset added rounds it twice.
@pytest.mark.parametrize(
    ("kind", "prefix", "bound"),
    [
        ("Q8_0", "", 1e-5),
        ("Q5_0", "model.diffusion_model.", 1e-5),
        ("Q4_0", "", 1e-5),
        ("BF16", "", 1e-5),
        ("Q5_1", "", 2e-3),
        ("Q4_1", "model.diffusion_model.", 2e-3),
    ],
)
def test_a_packed_transformer_computes_with_the_numbers_that_the_file_says(
    tmp_path: Path, kind: str, prefix: str, bound: float
) -> None:
    network, file = tiny_transformer(), tmp_path / "flux.gguf"
    exact = run(network)
    names = original.flux(network.state_dict())
    said = write(file, names, gguf.GGMLQuantizationType[kind], prefix)
    packed = read(file, network)
    assert packed.transformer_blocks[0].attn.to_q.weight.dtype is torch.uint8
    network.load_state_dict(flux_to_diffusers(said))
    wanted, made = run(network), run(packed)
    scale = max(1.0, float(wanted.abs().max()))
    assert (made - wanted).abs().max() <= bound * scale
    # Rounding shows, so what was compared is not the network that was packed.
    assert (made - exact).abs().max() > 5 * bound * scale


def test_packed_weights_take_their_own_room_in_memory(tmp_path: Path) -> None:
    network, file = tiny_transformer(), tmp_path / "flux.gguf"
    write(file, original.flux(network.state_dict()), gguf.GGMLQuantizationType.Q4_0)
    weight = read(file, network).transformer_blocks[0].ff.net[2].weight
    # A block of 32 numbers is a scale of two bytes and 16 bytes of halves.
    assert weight.numel() * weight.element_size() == 32 * 128 // 32 * 18


def test_what_does_not_fit_is_told_by_name(tmp_path: Path) -> None:
    network, file = tiny_transformer(), tmp_path / "flux.gguf"
    names = original.flux(network.state_dict())
    names.pop("double_blocks.1.img_mlp.0.weight")
    write(file, names, gguf.GGMLQuantizationType.Q8_0)
    with pytest.raises(ValueError, match=r"it lacks transformer_blocks.1.ff.net.0.proj.weight"):
        read(file, network)


def test_a_picture_is_painted_with_a_packed_transformer(models: Path, tmp_path: Path) -> None:
    folder, rounded = models / "flux-dev", tmp_path / "rounded"
    files = write_parts(folder, tmp_path)
    state = flux_state(folder, "transformer")
    said = write(tmp_path / "transformer.gguf", state, gguf.GGMLQuantizationType.BF16)
    single = Ours(folder)
    described = source(
        folder, tmp_path / "transformer.gguf", {**files, "transformer": tmp_path / "transformer.gguf"}
    )
    single.family = ENGINES["flux"](described, Shelf(), "cpu", "float32")
    shutil.copytree(folder, rounded)
    weights = rounded / "transformer" / "diffusion_pytorch_model.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in flux_to_diffusers(said).items()}, weights)
    case = Case("txt2img", "flow-match-euler", negative="", steps=3)
    made, wanted, exact = (one.latents(case) for one in (single, Ours(rounded), Ours(folder)))
    scale = max(1.0, float(wanted.abs().max()))
    assert (made - wanted).abs().max() <= 1e-5 * scale < (made - exact).abs().max()


@pytest.mark.parametrize("kind", sorted(UNPACKED - {"F32", "F16"}))
def test_every_kind_that_is_taken_unpacks_to_what_the_format_says(kind: str) -> None:
    from diffusers.quantizers.gguf.utils import GGUFParameter, dequantize_gguf_tensor

    quantisation = gguf.GGMLQuantizationType[kind]
    block, width = gguf.GGML_QUANT_SIZES[quantisation]
    rng = np.random.default_rng(3)
    packed = rng.integers(0, 256, (64, width * (256 // block)), dtype=np.uint8)
    with np.errstate(invalid="ignore", over="ignore"):
        said = torch.from_numpy(gguf.dequantize(packed, quantisation))
    made = dequantize_gguf_tensor(GGUFParameter(torch.from_numpy(packed), quant_type=quantisation)).float()
    # Random bytes are also random scales: blocks with what float16 cannot hold are left out, and most stay.
    said, made = said.reshape(-1, block), made.reshape(-1, block)
    whole = (said.isfinite() & made.isfinite()).all(dim=1)
    said, made = said[whole], made[whole]
    assert whole.float().mean() > 0.4
    largest = said.abs().amax(dim=1, keepdim=True)
    assert ((made - said).abs() <= 5e-3 * largest).all() and len(said.unique()) > 8
