"""Control models in single files where other programs keep them, as the daemon sees them by their headers."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import torch

from tests.support import adapter_names
from tests.support import architectures as full
from tests.support.architectures import write_header
from tests.support.gguf_files import write_gguf
from tests.support.weight_files import write_weights
from tests.unit.daemon.harness import write_control, write_model
from underpaint.daemon.controls import ControlIndex, fits, roles_of
from underpaint.daemon.models import ModelIndex
from underpaint.daemon.plugins import Plugins
from underpaint.daemon.scan import FoundControl
from underpaint.engine.flux.describe_net import base_of_transformer
from underpaint.types import ControlRole


async def index_of(root: Path) -> tuple[ModelIndex, ControlIndex]:
    models = ModelIndex([root], load_plugins=partial(Plugins, installed_models=False))
    return models, ControlIndex(models)


async def found_in(root: Path) -> dict[str, FoundControl]:
    return {one.name: one for one in await (await index_of(root))[1].all()}


def small(text: int = 768, **more: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Names and shapes that tell a control net with blocks of 320, 640 and twice 1280."""
    shapes = {
        "conv_in.weight": (320, 4, 3, 3),
        "controlnet_cond_embedding.conv_in.weight": (16, 3, 3, 3),
        "controlnet_cond_embedding.conv_out.weight": (320, 256, 3, 3),
        **more,
    }
    for number, (out, into) in enumerate(((16, 16), (32, 16), (32, 32), (96, 32), (96, 96), (256, 96))):
        shapes[f"controlnet_cond_embedding.blocks.{number}.weight"] = (out, into, 3, 3)
    for block, width in enumerate((320, 640, 1280, 1280)):
        for layer in range(2):
            shapes[f"down_blocks.{block}.resnets.{layer}.conv1.weight"] = (width, width, 3, 3)
        if block < 3:
            place = f"down_blocks.{block}.attentions.0"
            shapes[f"{place}.proj_in.weight"] = (width, width, 1, 1)
            shapes[f"{place}.transformer_blocks.0.attn2.to_k.weight"] = (width, text)
    return shapes


async def test_control_nets_are_found_in_the_folders_of_other_programs(tmp_path: Path) -> None:
    comfy, webui = tmp_path / "ComfyUI", tmp_path / "webui"
    (comfy / "models" / "checkpoints").mkdir(parents=True)
    (webui / "models" / "Stable-diffusion").mkdir(parents=True)
    nets = comfy / "models" / "controlnet"
    write_header(nets / "control_v11p_sd15_canny_fp16.safetensors", full.original_control_net("sd15"))
    write_header(nets / "sdxl" / "depth" / "diffusion_pytorch_model.safetensors", full.control_net("sdxl"))
    write_weights(webui / "models" / "ControlNet" / "scribble.safetensors", small())
    models = ModelIndex([comfy, webui], load_plugins=partial(Plugins, installed_models=False))
    found = {one.name: one for one in await ControlIndex(models).all()}
    seen = {
        name: (one.family.name, one.traits.roles, one.traits.title, one.traits.kind)
        for name, one in found.items()
        if one.family is not None and one.traits is not None
    }
    assert seen == {
        "control_v11p_sd15_canny_fp16": (
            "sd15",
            ("canny",),
            "control_v11p_sd15_canny_fp16",
            "control-net",
        ),
        "sdxl/depth": ("sdxl", ("depth",), "depth", "control-net"),
        "scribble": ("sd15", ("scribble",), "scribble", "control-net"),
    }


async def test_a_file_beside_says_roles_and_what_no_shape_tells(tmp_path: Path) -> None:
    write_model(tmp_path, "tiny")
    write_weights(tmp_path / "a.safetensors", small(1280))
    beside = tmp_path / "a.underpaint.json"
    beside.write_text(
        json.dumps({"title": "Mine", "roles": ["moss-map"], "config": {"attention_head_dim": 8}})
    )
    write_weights(tmp_path / "odd.safetensors", small(1280))
    (tmp_path / "odd.underpaint.json").write_text(json.dumps({"config": {"layers_per_block": 3}}))
    models, controls = await index_of(tmp_path)
    mine, odd = await controls.all()
    assert mine.traits is not None and (mine.traits.title, mine.traits.roles) == ("Mine", ("moss-map",))
    tiny = await models.find("tiny")
    assert fits(mine, tiny)
    assert roles_of(tiny, [mine]) == (ControlRole("moss-map", ("a",)),)
    assert "config in odd.underpaint.json may say attention_head_dim" in odd.problem


async def test_a_second_file_beside_a_folders_own_is_a_net_by_itself(tmp_path: Path) -> None:
    folder = write_control(tmp_path, "depths", "depth")
    write_weights(folder / "diffusion_pytorch_model_promax.safetensors", small(task_embedding=(8, 320)))
    found = await found_in(tmp_path)
    kinds = {name: one.traits.kind for name, one in found.items() if one.traits is not None}
    assert kinds == {
        "depths": "control-net",
        "depths/diffusion_pytorch_model_promax": "control-net-union",
    }


@pytest.mark.parametrize(
    ("name", "shapes", "problem"),
    [
        (
            "control-lora-canny-rank256",
            {"lora_controlnet": (), "input_blocks.1.1.attn2.to_k.down": (256, 2048)},
            "it is a control LoRA",
        ),
        (
            "kohya_controllllite_xl_blur",
            {"lllite_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q.down.0.weight": (64, 640)},
            "it is a ControlNet-LLLite",
        ),
        (
            "diff_control_sd15_canny",
            {"control_model.input_hint_block.0.weight": (16, 3, 3, 3), "difference": (1,)},
            "holds differences",
        ),
        (
            "sd3-canny",
            {"controlnet_x_embedder.weight": (1536, 64), "pos_embed_input.proj.weight": (1536, 16, 2, 2)},
            "no engine uses this control-net from a single file",
        ),
    ],
)
async def test_what_is_no_whole_net_is_refused_by_name(
    tmp_path: Path, name: str, shapes: dict[str, tuple[int, ...]], problem: str
) -> None:
    write_weights(tmp_path / f"{name}.safetensors", shapes)
    write_weights(tmp_path / "good.safetensors", small())
    found = await found_in(tmp_path)
    assert problem in found[name].problem and found["good"].traits is not None


async def test_a_pickle_and_weights_with_scales_say_what_is_wrong_with_them(tmp_path: Path) -> None:
    (tmp_path / "models" / "Stable-diffusion").mkdir(parents=True)
    place = tmp_path / "models" / "ControlNet"
    write_weights(place / "scaled.safetensors", small(scaled_fp8=(2,)))
    (place / "control_sd15_depth.pth").write_bytes(b"\x80\x02")
    write_gguf(place / "packed.gguf", {"conv_in.weight": torch.empty((320, 64), device="meta")}, "sd1")
    found = await found_in(tmp_path)
    assert "underpaint models convert" in found["control_sd15_depth"].problem
    assert "its weights are quantised" in found["scaled"].problem
    assert "not from GGUF" in found["packed"].problem


def flux_net(shown: int = 64, **more: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Names and shapes that tell a control net for FLUX.1 in diffusers' names."""
    return {
        "x_embedder.weight": (3072, 64),
        "controlnet_x_embedder.weight": (3072, shown),
        "controlnet_blocks.0.weight": (3072, 3072),
        "context_embedder.weight": (3072, 4096),
        "time_text_embed.text_embedder.linear_1.weight": (3072, 768),
        "transformer_blocks.0.attn.norm_q.weight": (128,),
        "transformer_blocks.0.attn.to_q.weight": (3072, 3072),
        **more,
    }


async def test_nets_for_flux_are_found_with_their_roles_and_fit_by_their_shape(tmp_path: Path) -> None:
    write_weights(tmp_path / "flux-canny-controlnet-v3.safetensors", flux_net())
    write_weights(tmp_path / "union.safetensors", flux_net(**{"controlnet_mode_embedder.weight": (7, 3072)}))
    write_weights(tmp_path / "inpainting.safetensors", flux_net(260))
    found = await found_in(tmp_path)
    canny, union = found["flux-canny-controlnet-v3"].traits, found["union"].traits
    assert canny is not None and union is not None
    assert (canny.roles, canny.kind, union.kind) == (("canny",), "control-net", "control-net-union")
    assert set(union.roles) == {"canny", "tile", "depth", "blur", "pose", "grey", "low-quality"}
    assert canny.base == union.base == base_of_transformer({})
    assert "has 260 channels a token, and 64 can be run" in found["inpainting"].problem


async def test_t2i_adapters_under_their_authors_names_are_told_from_light_ones(tmp_path: Path) -> None:
    place = tmp_path / "ComfyUI" / "models" / "controlnet"
    (place.parent / "checkpoints").mkdir(parents=True)
    body = {f"body.{n}.block1.weight": (w, w, 3, 3) for n, w in enumerate((320, 320, 640, 640, *[1280] * 4))}
    wider = {f"body.{n}.in_conv.weight": (w, w // 2, 1, 1) for n, w in ((2, 640), (4, 1280))}
    shapes = {"conv_in.weight": (320, 192, 3, 3), **body, **wider}
    write_weights(place / "t2iadapter_sketch_sd14v1.safetensors", shapes)
    write_weights(place / "coadapter-depth-sd15v1.safetensors", shapes)
    light = {"conv_in.weight": (320, 99, 3, 3), "body.0.block1.weight": (320, 320, 3, 3)}
    write_weights(place / "odd.safetensors", light)
    found = await found_in(tmp_path / "ComfyUI")
    sketch, depth = found["t2iadapter_sketch_sd14v1"].traits, found["coadapter-depth-sd15v1"].traits
    assert sketch is not None and depth is not None
    assert (sketch.roles, depth.roles, sketch.kind) == (("scribble",), ("depth",), "t2i-adapter")
    assert sketch.base == depth.base == "features 320@8 640@16 1280@32 1280@64"
    assert "not those of a T2I adapter" in found["odd"].problem


def clip(width: int, projection: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes that tell CLIP's half for pictures, ViT-H for one."""
    return {
        "vision_model.embeddings.patch_embedding.weight": (width, 3, 14, 14),
        "vision_model.embeddings.position_embedding.weight": (257, width),
        "visual_projection.weight": (projection, width),
    }


SIGLIP = {
    "vision_model.embeddings.patch_embedding.weight": (1152, 3, 14, 14),
    "vision_model.embeddings.patch_embedding.bias": (1152,),
    "vision_model.embeddings.position_embedding.weight": (729, 1152),
}
REDUX = {"redux_up.weight": (12288, 1152), "redux_down.weight": (4096, 12288)}


async def test_redux_and_ip_adapters_find_their_encoders_in_comfyuis_folder(tmp_path: Path) -> None:
    root = tmp_path / "ComfyUI"
    (root / "models" / "checkpoints").mkdir(parents=True)
    place = root / "models" / "clip_vision"
    write_weights(root / "models" / "style_models" / "flux1-redux-dev.safetensors", REDUX)
    plus = root / "models" / "ipadapter" / "plus.safetensors"
    write_header(plus, adapter_names.ip_adapter(768))
    found = await found_in(root)
    assert "SigLIP, 1152 wide, and there is none. Put its file" in found["flux1-redux-dev"].problem
    siglip = write_weights(place / "sigclip_vision_patch14_384.safetensors", SIGLIP)
    write_weights(place / "CLIP-ViT-bigG.safetensors", clip(1664, 1280))
    vit = write_weights(place / "CLIP-ViT-H-14-laion2B-s32B-b79K.safetensors", clip(1280, 1024))
    found = await found_in(root)
    assert (found["flux1-redux-dev"].encoder, found["plus"].encoder) == (siglip, vit)
    redux = found["flux1-redux-dev"].traits
    assert redux is not None
    assert (redux.kind, redux.roles, redux.base) == ("redux", ("reference",), "text 4096")


async def test_the_whole_of_clip_in_one_file_serves_with_its_half_for_pictures(tmp_path: Path) -> None:
    write_header(tmp_path / "plus.safetensors", adapter_names.ip_adapter(768))
    text = {
        "text_model.encoder.layers.0.self_attn.q_proj.weight": (1024, 1024),
        "text_model.embeddings.token_embedding.weight": (49408, 1024),
    }
    whole = write_weights(tmp_path / "clip_vision" / "whole.safetensors", {**clip(1280, 1024), **text})
    write_weights(tmp_path / "another.safetensors", text)
    assert (await found_in(tmp_path))["plus"].encoder == whole


async def test_a_folders_configuration_counts_more_than_its_files_header(tmp_path: Path) -> None:
    write_header(tmp_path / "look" / "plus.safetensors", adapter_names.ip_adapter(768))
    folder = tmp_path / "vit"
    write_weights(folder / "model.safetensors", clip(1280, 1024))
    (folder / "config.json").write_text(
        json.dumps({"model_type": "clip_vision_model", "hidden_size": 1280, "projection_dim": 1024})
    )
    found = await found_in(tmp_path)
    assert found["look/plus"].encoder == folder
