"""Control models in single files where other programs keep them, as the daemon sees them by their headers."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from tests.support import architectures as full
from tests.support.architectures import write_header
from tests.support.weight_files import write_weights
from tests.unit.daemon.harness import write_control, write_model
from underpaint.daemon.controls import ControlIndex, fits, roles_of
from underpaint.daemon.models import ModelIndex
from underpaint.daemon.plugins import Plugins
from underpaint.daemon.scan import FoundControl
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
    found = await found_in(tmp_path)
    assert "underpaint models convert" in found["control_sd15_depth"].problem
    assert "its weights are quantised" in found["scaled"].problem
