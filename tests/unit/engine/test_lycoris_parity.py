"""With LoHa and LoKr, the pictures of stock pipelines whose networks peft changed with the same factors."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from peft.tuners.loha.layer import LoHaLayer
from peft.tuners.lokr.layer import LoKrLayer
from safetensors.torch import load_file, save_file
from torch import nn

from tests.tiny_loras import TEXT_LAYERS, UNET_LAYERS, write_lora
from tests.unit.engine.stock import Case, Ours, Stock, distance
from tests.unit.engine.test_lora_parity import SENSITIVITY, TOLERANCE, Worn, latents
from underpaint.errors import ModelUnusable

CASE = Case("txt2img", "ddim", steps=2)
CONVOLUTIONS = ("conv2", "conv_shortcut", "time_emb_proj", "downsamplers.0.conv", "upsamplers.0.conv")


@dataclass(frozen=True)
class Kind:
    """What peft is asked for, and which tensors then have to be in the file."""

    name: str
    config: dict[str, Any]
    tensors: frozenset[str]


KINDS = (
    Kind("loha", {"r": 3, "alpha": 2}, frozenset({"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"})),
    Kind("lokr", {"r": 2, "alpha": 3}, frozenset({"lokr_w1", "lokr_w2_a", "lokr_w2_b"})),
    Kind("lokr", {"r": 64, "alpha": 32}, frozenset({"lokr_w1", "lokr_w2"})),
    Kind(
        "lokr",
        {"r": 1, "alpha": 2, "decompose_both": True},
        frozenset({"lokr_w1_a", "lokr_w1_b", "lokr_w2_a", "lokr_w2_b"}),
    ),
)
_CONFIGS = {"loha": peft.LoHaConfig, "lokr": peft.LoKrConfig}


def injected(pipeline: Any, kind: Kind, xl: bool) -> Iterator[tuple[str, Any]]:
    """The layers that peft puts into a pipeline's networks, by LyCORIS' names, with random factors."""
    prefixes = {"unet": "lora_unet", "text_encoder": "lora_te1" if xl else "lora_te"}
    prefixes |= {"text_encoder_2": "lora_te2"} if xl else {}
    for part, prefix in prefixes.items():
        targets = list(TEXT_LAYERS if part != "unet" else (*UNET_LAYERS, *CONVOLUTIONS))
        config = _CONFIGS[kind.name](target_modules=targets, init_weights=False, **kind.config)
        network = peft.inject_adapter_in_model(config, getattr(pipeline, part)).eval()
        for name, layer in network.named_modules():
            if isinstance(layer, LoHaLayer | LoKrLayer):
                told = name if part == "unet" or name.startswith("text_model.") else f"text_model.{name}"
                yield f"{prefix}_{told.replace('.', '_')}", layer


def state_of(layers: dict[str, Any], gain: float) -> dict[str, torch.Tensor]:
    """Their factors, `gain` times as large, as LyCORIS writes them into a file."""
    state = {}
    for place, layer in layers.items():
        for tensor in layer.adapter_layer_names:
            for parameter in getattr(layer, tensor).values():
                parameter.data *= gain
                state[f"{place}.{tensor}"] = parameter.data.clone()
        if {f"{place}.lokr_w1", f"{place}.lokr_w2"} <= state.keys():
            # Of two whole matrices, alpha counts for nothing in LyCORIS, but does in peft.
            state[f"{place}.lokr_w1"] *= layer.scaling["default"]
        state[f"{place}.alpha"] = torch.tensor(float(layer.alpha["default"]))
    return state


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.name}-{kind.config['r']}")
@pytest.mark.parametrize("model", ["plain", "sdxl"])
def test_they_paint_as_networks_that_peft_changed(
    models: Path, tmp_path: Path, model: str, kind: Kind
) -> None:
    stock, ours = Stock(models / model, "txt2img"), Ours(models / model)
    without = latents(ours, CASE)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(zlib.crc32(f"{model}{kind}".encode()))
        layers = dict(injected(stock.pipeline, kind, model == "sdxl"))
    state = state_of(layers, 1.5)
    assert frozenset(name.rpartition(".")[2] for name in state) - {"alpha"} >= kind.tensors
    convolved = [layer for layer in layers.values() if isinstance(layer.get_base_layer(), nn.Conv2d)]
    assert {layer.get_base_layer().kernel_size for layer in convolved} == {(1, 1), (3, 3)}
    path = tmp_path / "lycoris.safetensors"
    save_file(state, path)
    found = {}
    for strength in (1.0, -0.6):
        for layer in layers.values():
            layer.set_scale("default", strength)
        found[strength] = latents(ours, CASE, Worn(path, strength))
        assert distance(found[strength], stock.both(CASE)[0]) <= TOLERANCE
        assert distance(found[strength], without) >= SENSITIVITY
    assert distance(found[1.0], found[-0.6]) >= SENSITIVITY
    assert distance(latents(ours, CASE), without) == 0.0


def test_one_file_with_pairs_and_products_adds_as_two_files_do(models: Path, tmp_path: Path) -> None:
    pairs = load_file(write_lora(tmp_path / "ink.safetensors", models / "plain", layers=("to_q", "fc1")))
    generator = torch.Generator().manual_seed(7)
    places = {name.rpartition("_to_q.")[0] for name in pairs if "_to_q." in name}
    products = {}
    for place in sorted(places):
        products[f"{place}_to_out_0.lokr_w1"] = torch.randn(4, 4, generator=generator)
        products[f"{place}_to_out_0.lokr_w2"] = torch.randn(8, 8, generator=generator) / 8
    for name, state in (("products", products), ("both", pairs | products)):
        save_file(state, tmp_path / f"{name}.safetensors")
    ink, grain, both = (Worn(tmp_path / f"{name}.safetensors") for name in ("ink", "products", "both"))
    ours = Ours(models / "plain")
    painted = latents(ours, CASE, both)
    assert distance(painted, latents(ours, CASE, ink, grain)) <= TOLERANCE
    for alone in (ink, grain):
        assert distance(painted, latents(ours, CASE, alone)) >= SENSITIVITY


def test_layers_named_as_in_the_original_checkpoints_are_the_same(models: Path, tmp_path: Path) -> None:
    same = {
        "input_blocks_0_0": ("conv_in", (16, 4 * 9)),
        "input_blocks_1_0_in_layers_2": ("down_blocks_0_resnets_0_conv1", (16, 16 * 9)),
        "input_blocks_3_0_skip_connection": ("down_blocks_1_resnets_0_conv_shortcut", (32, 16)),
        "input_blocks_3_0_emb_layers_1": ("down_blocks_1_resnets_0_time_emb_proj", (32, 64)),
        "middle_block_1_proj_in": ("mid_block_attentions_0_proj_in", (32, 32)),
    }
    generator = torch.Generator().manual_seed(5)
    original, converted = {}, {}
    for theirs, (diffusers, (rows, columns)) in same.items():
        for half in ("hada_w1", "hada_w2"):
            factors = {"a": torch.randn(rows, 2, generator=generator) / 2}
            factors["b"] = torch.randn(2, columns, generator=generator) / columns**0.25
            for which, tensor in factors.items():
                original[f"lora_unet_{theirs}.{half}_{which}"] = tensor
                converted[f"lora_unet_{diffusers}.{half}_{which}"] = tensor
    save_file(original, tmp_path / "original.safetensors")
    save_file(converted, tmp_path / "converted.safetensors")
    ours = Ours(models / "sdxl")
    painted = latents(ours, CASE, Worn(tmp_path / "original.safetensors"))
    assert distance(painted, latents(ours, CASE, Worn(tmp_path / "converted.safetensors"))) == 0.0
    assert distance(painted, latents(ours, CASE)) >= SENSITIVITY


def test_what_is_no_whole_product_or_fits_no_layer_is_named(models: Path, tmp_path: Path) -> None:
    ours = Ours(models / "plain")
    attention = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"
    good = {f"{half}_{ab}": (32, 2) if ab == "a" else (2, 32) for half in ("w1", "w2") for ab in "ab"}

    def refused(match: str, place: str = attention, *, kind: str = "hada", **shapes: tuple[int, ...]) -> None:
        # A name each: what was read once stays in memory.
        path = tmp_path / f"odd{len(list(tmp_path.iterdir()))}.safetensors"
        save_file({f"{place}.{kind}_{name}": torch.ones(shape) for name, shape in shapes.items()}, path)
        with pytest.raises(ModelUnusable, match=match):
            latents(ours, CASE, Worn(path))

    refused("LoHa without lora_unet.*to_q.hada_w2_b", **{n: s for n, s in good.items() if n != "w2_b"})
    refused("do not fit one another", **good | {"w2_b": (2, 33)})
    refused("do not fit one another", **good | {"w1_b": (3, 32)})
    refused(r"attn1.to_q is \(32, 32\), the LoRA \(32, 64\)", **good | {"w1_b": (2, 64), "w2_b": (2, 64)})
    refused(r"is \(32, 32\), the LoRA \(16, 32\)", kind="lokr", w1=(4, 4), w2=(4, 8))
    refused("LoKr without .*lokr_w2_a", kind="lokr", w1=(4, 4))
    refused("is no matrix", kind="lokr", w1=(4, 4), w2=(8,))
    refused("with lora_unet.*lokr_bias", kind="lokr", w1=(4, 4), w2=(8, 8), bias=(32,))
    refused("only LyCORIS' own names", "base_model.model.mid_block.attentions.0.proj_in", **good)
    refused("GroupNorm, which no LoRA", "lora_unet_mid_block_resnets_0_norm1", **good)
    refused("no matrix", kind="lokr", w1=(4, 4), w2=(2, 2, 2))


def test_a_lycoris_file_for_flux_is_refused_by_name(models: Path, tmp_path: Path) -> None:
    path = tmp_path / "flux.safetensors"
    place = "lora_unet_double_blocks_0_img_attn_proj"
    save_file({f"{place}.lokr_w1": torch.ones(2, 2), f"{place}.lokr_w2": torch.ones(8, 8)}, path)
    with pytest.raises(ModelUnusable, match="LoHa or LoKr for a transformer"):
        latents(Ours(models / "flux-dev"), CASE.but(scheduler="flow-match-euler"), Worn(path))
