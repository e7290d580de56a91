"""LoRAs for FLUX.1, in kohya's, XLabs' and diffusers' names, as the stock pipeline wears them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import FluxTransformer2DModel
from safetensors.torch import save_file

from tests.unit.engine.flux_stock import FluxStock
from tests.unit.engine.stock import Case, Ours, distance
from tests.unit.engine.test_lora_parity import SENSITIVITY, TOLERANCE, Worn, latents
from underpaint.weights.loras import flux_base, read_lora_header

CASE = Case("txt2img", "flow-match-euler", negative="", steps=3)
RANK = 2


def pair(inputs: int, outputs: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    down = torch.randn(RANK, inputs, generator=generator) / inputs**0.5
    return down, torch.randn(outputs, RANK, generator=generator) / RANK**0.5


def state(naming: str, width: int, seed: int) -> dict[str, torch.Tensor]:
    """Factors for the attention of a double block, and for what leaves a single one."""
    if naming == "diffusers":
        places = {f"transformer.transformer_blocks.0.attn.{one}": (width, width) for one in ("to_q", "to_v")}
        places["transformer.single_transformer_blocks.0.proj_out"] = (5 * width, width)
        ends = (".lora_A.weight", ".lora_B.weight")
    elif naming == "kohya":
        places = {
            "lora_unet_double_blocks_0_img_attn_qkv": (width, 3 * width),
            "lora_unet_single_blocks_0_linear2": (5 * width, width),
        }
        ends = (".lora_down.weight", ".lora_up.weight")
    else:
        places = {
            "double_blocks.0.processor.qkv_lora1": (width, 3 * width),
            "double_blocks.0.processor.proj_lora1": (width, width),
        }
        ends = (".down.weight", ".up.weight")
    made: dict[str, torch.Tensor] = {}
    for index, (place, size) in enumerate(places.items()):
        made |= dict(zip((place + end for end in ends), pair(*size, 10 * seed + index), strict=True))
        if naming == "kohya":
            made[f"{place}.alpha"] = torch.tensor(1.0)
    return made


@pytest.mark.parametrize("naming", ["diffusers", "kohya", "xlabs"])
def test_a_lora_paints_as_in_the_stock_pipeline_and_leaves_nothing_behind(
    models: Path, tmp_path: Path, naming: str
) -> None:
    ours, stock = Ours(models / "flux-dev"), FluxStock(models / "flux-dev", "txt2img")
    transformer = FluxTransformer2DModel.from_pretrained(models / "flux-dev" / "transformer")
    width = transformer.inner_dim
    files = [tmp_path / f"{name}.safetensors" for name in ("one", "two")]
    for seed, file in enumerate(files, 1):
        save_file(state(naming, width, seed), file)
        assert read_lora_header(file).base == flux_base(width) == ours.family._traits.lora_base
    without = latents(ours, CASE)
    worn = (Worn(files[0], 0.8), Worn(files[1], -0.5))
    painted = latents(ours, CASE, *worn)
    for index, lora in enumerate(worn):
        stock.pipeline.load_lora_weights(str(lora.path), adapter_name=f"lora{index}")
    stock.pipeline.set_adapters(["lora0", "lora1"], [lora.strength for lora in worn])
    assert distance(painted, stock.both(CASE)[0]) <= TOLERANCE
    assert distance(painted, without) >= SENSITIVITY
    assert distance(painted, latents(ours, CASE, worn[0])) >= SENSITIVITY
    assert distance(latents(ours, CASE), without) == 0.0
