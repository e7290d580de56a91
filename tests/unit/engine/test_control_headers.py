"""Full-size control models and image encoders: their headers tell the configuration and every layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import init_empty_weights
from diffusers import ControlNetModel, ControlNetUnionModel, FluxControlNetModel, T2IAdapter
from diffusers.pipelines.flux.modeling_flux import ReduxImageEncoder
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from tests.support import original_names as original
from tests.support.architectures import write_header
from underpaint.engine.controls import encoder_files
from underpaint.engine.controls.describe_adapter import adapter_config
from underpaint.engine.controls.describe_file import net_config
from underpaint.engine.controls.encoder_files import encoder_config, load_encoder
from underpaint.engine.controls.nets import network_of_file
from underpaint.engine.diffusion import single_file as loading
from underpaint.engine.flux.describe_net import flux_net_config_of
from underpaint.engine.flux.describe_redux import redux_config
from underpaint.weights import Prober
from underpaint.weights.places import prefix_of

State = dict[str, torch.Tensor]
Renamed = Callable[[State], State]

SDXL: dict[str, Any] = {
    "block_out_channels": [320, 640, 1280],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "transformer_layers_per_block": [1, 2, 10],
    "attention_head_dim": [5, 10, 20],
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
SMALL = {
    **SDXL,
    "down_block_types": ["DownBlock2D"] * 3,
    "transformer_layers_per_block": [1, 1, 1],
    "use_linear_projection": False,
    "mid_block_type": "UNetMidBlock2D",
}
UNION = {
    **SDXL,
    "conditioning_embedding_out_channels": [48, 96, 192, 384],
    "num_control_type": 8,
    "num_trans_channel": 320,
    "num_trans_layer": 1,
    "num_proj_channel": 320,
}
SD2 = {"cross_attention_dim": 1024, "attention_head_dim": [5, 10, 20, 20], "use_linear_projection": True}
T2I = {"channels": [320, 640, 1280, 1280], "num_res_blocks": 2, "in_channels": 3}
T2I_XL = {**T2I, "downscale_factor": 16, "adapter_type": "full_adapter_xl"}
INSTANTX = {"num_layers": 5, "num_single_layers": 10, "num_mode": 10, "guidance_embeds": True}
XLABS = {
    **{"num_layers": 2, "num_single_layers": 0, "guidance_embeds": True},
    **{"patch_size": 2, "conditioning_embedding_channels": 16},
}


def plain(state: State) -> State:
    return state


NETS: dict[str, tuple[Any, dict[str, Any], Renamed, Callable[[Path], Mapping[str, Any]], str]] = {
    "SD 2": (ControlNetModel, SD2, lambda state: original.control_net(state, 2), net_config, "sd2"),
    "SDXL small": (ControlNetModel, SMALL, plain, net_config, "sdxl"),
    "xinsir's promax": (ControlNetUnionModel, UNION, plain, net_config, "sdxl"),
    "TencentARC's for SD 1.5": (
        T2IAdapter,
        T2I,
        lambda state: original.t2i_adapter(state, 2),
        adapter_config,
        "sd15",
    ),
    "TencentARC's sketch, in grey": (
        T2IAdapter,
        {**T2I, "in_channels": 1},
        lambda state: original.t2i_adapter(state, 2),
        adapter_config,
        "sd15",
    ),
    "T2I for SDXL, in authors' names": (
        T2IAdapter,
        T2I_XL,
        lambda state: original.t2i_adapter(state, 2),
        adapter_config,
        "sdxl",
    ),
    "T2I for SDXL": (T2IAdapter, T2I_XL, plain, adapter_config, "sdxl"),
    "InstantX' union": (FluxControlNetModel, INSTANTX, plain, flux_net_config_of, "flux"),
    "XLabs' canny": (FluxControlNetModel, XLABS, original.flux_net, flux_net_config_of, "flux"),
    "Redux": (ReduxImageEncoder, {}, plain, redux_config, "flux"),
}
COMPONENTS = {
    net_config: "control_net",
    adapter_config: "t2i_adapter",
    flux_net_config_of: "flux_control_net",
    redux_config: "redux",
}


@pytest.mark.parametrize("name", NETS)
def test_a_header_tells_how_a_net_was_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    kind, config, renamed, told, family = NETS[name]
    with init_empty_weights():
        built = kind(**config)
    state = renamed(dict(built.state_dict()))
    path = write_header(tmp_path / "model.safetensors", state)
    assert (Prober().probe(path).family, Prober().probe(path).problem) == (family, "")
    found, component = told(path), COMPONENTS[told]
    assert {key: found[key] for key in config} == config

    def tensors(_: Path, component: str) -> State:
        prefix = prefix_of(component, state)
        return {name.removeprefix(prefix): tensor for name, tensor in state.items()}

    monkeypatch.setattr(loading, "tensors", tensors)
    made, _ = network_of_file(kind, component, path, found, torch.float16)
    assert {name: tensor.shape for name, tensor in made.state_dict().items()} == {
        name: tensor.shape for name, tensor in built.state_dict().items()
    }


def clip(width: int, inner: int, layers: int, heads: int, projection: int, act: str = "gelu") -> Any:
    config = CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        patch_size=14,
        projection_dim=projection,
        hidden_act=act,
    )
    with init_empty_weights():
        return CLIPVisionModelWithProjection(config)


def siglip() -> Any:
    config = SiglipVisionConfig(
        hidden_size=1152,
        intermediate_size=4304,
        num_hidden_layers=27,
        num_attention_heads=16,
        patch_size=14,
        image_size=384,
    )
    with init_empty_weights():
        return SiglipVisionModel(config)


ENCODERS: dict[str, tuple[Callable[[], Any], Renamed, str]] = {
    "OpenAI's ViT-L": (lambda: clip(1024, 4096, 24, 16, 768, "quick_gelu"), plain, "clip-vit-l"),
    "LAION's ViT-H": (lambda: clip(1280, 5120, 32, 16, 1024), plain, "clip-vit-h"),
    "LAION's ViT-H, as OpenCLIP names it": (
        lambda: clip(1280, 5120, 32, 16, 1024),
        original.open_clip_vision,
        "clip-vit-h",
    ),
    "LAION's ViT-bigG": (lambda: clip(1664, 8192, 48, 16, 1280), plain, "clip-vit-g"),
    "SigLIP": (
        siglip,
        lambda state: {f"vision_model.{name.removeprefix('vision_model.')}": state[name] for name in state},
        "siglip-so400m",
    ),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_a_header_tells_how_an_image_encoder_was_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    build, renamed, family = ENCODERS[name]
    built = build()
    state = renamed(dict(built.state_dict()))
    path = write_header(tmp_path / "model.safetensors", state)
    probe = Prober().probe(path)
    assert (probe.kind, probe.family) == ("image-encoder", family)
    found = encoder_config(path)
    assert {key: getattr(built.config, key) for key in found} == found
    monkeypatch.setattr(encoder_files, "tensors", lambda _path, _component: state)
    made = load_encoder(type(built), path, found, torch.float16)
    assert made.state_dict().keys() == built.state_dict().keys()
    assert made.config.image_size == (384 if name == "SigLIP" else 224)


@pytest.mark.parametrize("surplus", ["vision_model.odd.weight", "visual.odd.weight"])
def test_a_tensor_that_no_image_encoder_has_is_an_error_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, surplus: str
) -> None:
    built = clip(1280, 5120, 2, 16, 1024)
    state = dict(built.state_dict())
    state = original.open_clip_vision(state) if surplus.startswith("visual.") else state
    path = write_header(tmp_path / "model.safetensors", state)
    odd = {**state, surplus: torch.zeros(3)}
    monkeypatch.setattr(encoder_files, "tensors", lambda _path, _component: odd)
    with pytest.raises(ValueError, match="beyond what this network knows"):
        load_encoder(type(built), path, encoder_config(path), torch.float16)
