"""FLUX's networks out of files under the original names: the same to the bit, and at full size by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, FluxTransformer2DModel
from diffusers.loaders.single_file_utils import convert_flux_transformer_checkpoint_to_diffusers
from safetensors.torch import save_file
from transformers import CLIPTextModel, T5Config, T5EncoderModel

from tests.support import architectures as full
from tests.support import original_names as original
from tests.support.single_files import shipped
from underpaint.engine.diffusion import single_file as loading
from underpaint.engine.diffusion.flux_names import flux_to_diffusers
from underpaint.engine.families.flux_files import FAMILIES
from underpaint.engine.families.single_file import CONFIGS
from underpaint.weights.places import prefix_of

State = dict[str, torch.Tensor]


def tiny_transformer(seed: int = 0) -> FluxTransformer2DModel:
    """Two blocks of each kind, 32 wide."""
    torch.manual_seed(seed)
    return FluxTransformer2DModel(
        in_channels=16,
        num_layers=2,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        guidance_embeds=True,
        axes_dims_rope=(4, 6, 6),
    ).eval()


@torch.inference_mode()
def run(network: Any) -> torch.Tensor:
    """One forward pass on fixed noise."""
    noise = torch.Generator().manual_seed(5)
    made: torch.Tensor = network(
        hidden_states=torch.randn(1, 4, 16, generator=noise),
        encoder_hidden_states=torch.randn(1, 3, 32, generator=noise),
        pooled_projections=torch.randn(1, 32, generator=noise),
        timestep=torch.tensor([0.5]),
        guidance=torch.tensor([3.5]),
        img_ids=torch.arange(12.0).reshape(4, 3),
        txt_ids=torch.zeros(3, 3),
        return_dict=False,
    )[0]
    return made


def rows(shape: torch.Size, start: int) -> torch.Tensor:
    """A tensor of full width in which each row has a number of its own, and which takes no memory."""
    column = torch.arange(start, start + shape[0], dtype=torch.float64)
    return column[:, None].expand(shape) if len(shape) == 2 else column


@pytest.mark.parametrize("guidance", [True, False])
def test_our_names_for_flux_are_those_of_diffusers_row_by_row(guidance: bool) -> None:
    names = original.flux(full.flux(guidance=guidance))
    state = {name: rows(tensor.shape, 100_000 * index) for index, (name, tensor) in enumerate(names.items())}
    few = {
        name: tensor
        for name, tensor in state.items()
        if not name.startswith(("double_blocks", "single_blocks")) or name.split(".")[1] in ("0", "1")
    }
    ours = flux_to_diffusers(few)
    theirs = convert_flux_transformer_checkpoint_to_diffusers(dict(few))
    assert ours.keys() == theirs.keys() and len(ours) > 50
    for name, tensor in theirs.items():
        assert tensor.shape == ours[name].shape
        first = (slice(None), 0) if tensor.ndim == 2 else slice(None)
        assert torch.equal(tensor[first], ours[name][first]), name


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
def test_a_transformer_in_a_file_is_the_same_to_the_bit(tmp_path: Path, prefix: str) -> None:
    network, other = tiny_transformer(), tiny_transformer(seed=1)
    file = tmp_path / "flux.safetensors"
    state = original.flux(network.state_dict(), prefix)
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, file)
    read = loading.load_network(
        FluxTransformer2DModel, "transformer", file, dict(network.config), torch.float32
    )
    assert torch.equal(run(read), run(network))
    assert (run(other) - run(network)).abs().max() > 1e-2 * run(network).abs().max()


def test_a_transformer_may_have_diffusers_names(tmp_path: Path) -> None:
    network, file = tiny_transformer(), tmp_path / "flux.safetensors"
    save_file(dict(network.state_dict()), file)
    read = loading.load_network(
        FluxTransformer2DModel, "transformer", file, dict(network.config), torch.float32
    )
    assert torch.equal(run(read), run(network))


def test_plain_fp8_is_widened_and_not_taken_for_numbers(tmp_path: Path) -> None:
    network, file = tiny_transformer(), tmp_path / "flux.safetensors"
    small = {
        name: tensor.to(torch.float8_e4m3fn).contiguous()
        for name, tensor in original.flux(network.state_dict()).items()
    }
    save_file(small, file)
    read = loading.load_network(
        FluxTransformer2DModel, "transformer", file, dict(network.config), torch.float32
    )
    rounded = {name: tensor.to(torch.float8_e4m3fn).float() for name, tensor in network.state_dict().items()}
    assert run(read).isfinite().all()
    network.load_state_dict(rounded)
    assert torch.equal(run(read), run(network))


@pytest.mark.parametrize(
    ("words", "prefix"),
    [
        (("shared.weight",), ""),
        (("encoder.embed_tokens.weight",), ""),
        (("shared.weight", "encoder.embed_tokens.weight"), "text_encoders.t5xxl.transformer."),
    ],
)
def test_t5_in_a_file_is_the_same_to_the_bit(tmp_path: Path, words: tuple[str, ...], prefix: str) -> None:
    torch.manual_seed(0)
    config = T5Config(vocab_size=40, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2)
    network = T5EncoderModel(config).eval()
    table = network.state_dict()["shared.weight"]
    state = {name: tensor for name, tensor in network.state_dict().items() if name not in TABLES}
    state |= {name: table.clone() for name in words}
    file = tmp_path / "t5.safetensors"
    save_file({prefix + name: tensor.contiguous() for name, tensor in state.items()}, file)
    read = loading.load_t5(T5EncoderModel, "text_encoder_2", file, config.to_dict(), torch.float32)
    tokens = torch.tensor([[3, 7, 1, 0]])
    with torch.inference_mode():
        made, wanted, other = (one(tokens)[0] for one in (read.eval(), network, network))
        other = network(tokens.flip(1))[0]
    assert torch.equal(made, wanted) and not torch.equal(made, other)
    assert read.get_input_embeddings().weight is read.encoder.embed_tokens.weight


TABLES = ("shared.weight", "encoder.embed_tokens.weight")
TRANSFORMERS: dict[str, Callable[[], State]] = {
    "flux-dev": full.flux,
    "flux-schnell": lambda: full.flux(guidance=False),
    "flux-fill": lambda: full.flux(channels=384),
    "flux-kontext": full.flux,
    "flux-control": lambda: full.flux(channels=128),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_shipped_configurations_take_every_name_and_shape_of_full_size_files(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = {
        **full.flux_checkpoint(),
        **original.flux(TRANSFORMERS[family](), "model.diffusion_model."),
    }
    if family == "flux-schnell":
        state = {name: tensor for name, tensor in state.items() if "guidance_in" not in name}

    def tensors(path: Path, component: str) -> State:
        prefix = prefix_of(component, state)
        return {name.removeprefix(prefix): state[name] for name in state if name.startswith(prefix)}

    monkeypatch.setattr(loading, "tensors", tensors)
    home, nowhere, half = CONFIGS / family, Path("nowhere"), torch.bfloat16
    made: dict[str, Any] = {
        name: loading.load_network(kind, name, nowhere, shipped(home, name), half)
        for name, kind in (("transformer", FluxTransformer2DModel), ("vae", AutoencoderKL))
    }
    made["text_encoder"] = loading.load_clip(
        CLIPTextModel, "text_encoder", nowhere, shipped(home, "text_encoder")
    )
    made["text_encoder_2"] = loading.load_t5(
        T5EncoderModel, "text_encoder_2", nowhere, shipped(home, "text_encoder_2"), half
    )
    sizes = {name: sum(tensor.numel() for tensor in made[name].parameters()) for name in made}
    wanted = sum(tensor.numel() for tensor in TRANSFORMERS[family]().values())
    assert sizes["transformer"] == wanted and 11.8e9 < wanted < 12e9
    assert sizes["vae"] == 83_819_683
    assert sizes["text_encoder"] == 123_060_480 and sizes["text_encoder_2"] == 4_762_310_656
