"""State dicts from diffusers' names to those of the original checkpoints (LDM, OpenCLIP, BFL).

The inverse of diffusers' converters, for tests: what these make of it must be the state dict again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from diffusers.loaders.single_file_utils import DIFFUSERS_TO_LDM_MAPPING as NAMES

State = Mapping[str, torch.Tensor]

_RESNET = {
    **{"norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0", "conv2": "out_layers.3"},
    **{"time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection"},
}
_VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
_OPEN_CLIP = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}


def unet(
    state: State, layers_per_block: int, prefix: str = "model.diffusion_model."
) -> dict[str, torch.Tensor]:
    """A U-Net of SD 1.5's, 2's or SDXL's kind, or a control net's half of one."""
    per, table = layers_per_block + 1, {**NAMES["unet"]["layers"], **NAMES["unet"]["addition_embed_type"]}
    attended = {name.rsplit(".attentions", 1)[0] for name in state if ".attentions." in name}

    def renamed(name: str) -> str:
        if name in table:
            return str(table[name])
        block, number, kind, index, rest = _parts(name)
        if block == "mid_block":
            place = "middle_block.1" if kind == "attentions" else f"middle_block.{2 * index}"
        elif kind == "downsamplers":
            return f"input_blocks.{(number + 1) * per}.0.op.{rest.removeprefix('conv.')}"
        elif kind == "upsamplers":
            slot = 2 if f"up_blocks.{number}" in attended else 1
            return f"output_blocks.{number * per + layers_per_block}.{slot}.{rest}"
        else:
            first = 1 if block == "down_blocks" else 0
            word = "input_blocks" if block == "down_blocks" else "output_blocks"
            place = f"{word}.{first + number * per + index}.{int(kind == 'attentions')}"
        return f"{place}.{_resnet(rest) if kind == 'resnets' else rest}"

    return {prefix + renamed(name): tensor for name, tensor in state.items()}


def control_net(
    state: State, layers_per_block: int, prefix: str = "control_model."
) -> dict[str, torch.Tensor]:
    """A control net for such a U-Net as its authors name it."""
    half = {name: tensor for name, tensor in state.items() if not name.startswith("controlnet_")}
    made = unet(half, layers_per_block, prefix)
    inner = [name for name in state if re.fullmatch(r"controlnet_cond_embedding\.blocks\.\d+\.weight", name)]
    hints = {"conv_in": 0, "conv_out": 2 * len(inner) + 2}
    for name, tensor in state.items():
        stem, _, kind = name.rpartition(".")
        place, _, last = stem.rpartition(".")
        if stem == "controlnet_mid_block":
            made[f"{prefix}middle_block_out.0.{kind}"] = tensor
        elif place == "controlnet_down_blocks":
            made[f"{prefix}zero_convs.{last}.0.{kind}"] = tensor
        elif place.startswith("controlnet_cond_embedding"):
            index = hints[last] if last in hints else 2 * int(last) + 2
            made[f"{prefix}input_hint_block.{index}.{kind}"] = tensor
    return made


def t2i_adapter(state: State, layers: int) -> dict[str, torch.Tensor]:
    """A T2I adapter as its authors name it: the layers of all blocks in one row."""

    def renamed(name: str) -> str:
        name = name.removeprefix("adapter.")
        found = re.match(r"body\.(\d+)\.(?:resnets\.(\d+)|in_conv)", name)
        if found is None:
            return name
        number = int(found[1]) * layers + int(found[2] or 0)
        inner = ".in_conv" if "in_conv" in name else ""
        return f"body.{number}{inner}{name[found.end() :]}"

    return {renamed(name): tensor for name, tensor in state.items()}


def flux_net(state: State) -> dict[str, torch.Tensor]:
    """A control net of FLUX.1 as XLabs names it."""
    half = {name: tensor for name, tensor in state.items() if not name.startswith(("controlnet_", "input_"))}
    inner = sum(re.fullmatch(r"input_hint_block\.blocks\.\d+\.weight", name) is not None for name in state)
    hints = {"conv_in": 0, "conv_out": 2 * inner + 2}
    made = flux(half)
    for name, tensor in state.items():
        stem, _, kind = name.rpartition(".")
        last = stem.rpartition(".")[2]
        if stem == "controlnet_x_embedder":
            made[f"pos_embed_input.{kind}"] = tensor
        elif stem.startswith("controlnet_blocks."):
            made[name] = tensor
        elif stem.startswith("input_hint_block."):
            made[f"input_hint_block.{hints[last] if last in hints else 2 * int(last) + 2}.{kind}"] = tensor
    return made


def open_clip_vision(state: State) -> dict[str, torch.Tensor]:
    """CLIP's half for pictures as OpenCLIP names it."""
    ends = {
        **{"class_embedding": "class_embedding", "patch_embedding.weight": "conv1.weight"},
        "position_embedding.weight": "positional_embedding",
    }
    made: dict[str, torch.Tensor] = {"visual.proj": state["visual_projection.weight"].T}
    for name, tensor in state.items():
        place = name.removeprefix("vision_model.")
        if place.startswith("embeddings."):
            made[f"visual.{ends[place.removeprefix('embeddings.')]}"] = tensor
        elif place.startswith(("pre_layrnorm.", "post_layernorm.")):
            which = "ln_pre" if place.startswith("pre") else "ln_post"
            made[f"visual.{which}.{place.rpartition('.')[2]}"] = tensor
        elif place.startswith("encoder.layers."):
            layer, _, rest = place.removeprefix("encoder.layers.").partition(".")
            block = f"visual.transformer.resblocks.{layer}."
            inner, _, kind = rest.rpartition(".")
            if inner == "self_attn.q_proj":
                three = [state[name.replace("q_proj", f"{one}_proj")] for one in "qkv"]
                made[f"{block}attn.in_proj_{kind}"] = torch.cat(three)
            elif not inner.endswith(("k_proj", "v_proj")):
                inner = inner.replace("self_attn.", "attn.")
                made[f"{block}{_OPEN_CLIP.get(inner, inner)}.{kind}"] = tensor
    return made


def vae(state: State, blocks: int, prefix: str = "first_stage_model.") -> dict[str, torch.Tensor]:
    """An `AutoencoderKL`; its attention is a convolution there."""
    table: dict[str, Any] = NAMES["vae"]

    def renamed(name: str) -> str:
        if name in table:
            return str(table[name])
        half, _, rest = name.partition(".")
        rest = rest.replace("conv_shortcut", "nin_shortcut")
        rest = re.sub(r"^down_blocks\.(\d+)\.resnets\.", r"down.\1.block.", rest)
        rest = re.sub(r"^down_blocks\.(\d+)\.downsamplers\.0\.", r"down.\1.downsample.", rest)
        rest = re.sub(r"^up_blocks\.(\d+)", lambda found: f"up.{blocks - 1 - int(found[1])}", rest)
        rest = rest.replace(".resnets.", ".block.").replace(".upsamplers.0.", ".upsample.")
        rest = re.sub(r"^mid_block\.block\.(\d)", lambda found: f"mid.block_{int(found[1]) + 1}", rest)
        if rest.startswith("mid_block.attentions.0."):
            inner, _, kind = rest.removeprefix("mid_block.attentions.0.").rpartition(".")
            rest = f"mid.attn_1.{_VAE_ATTENTION[inner]}.{kind}"
        return f"{half}.{rest}"

    made = {}
    for name, tensor in state.items():
        new = renamed(name)
        flat = ".attn_1." in new and tensor.ndim == 2
        made[prefix + new] = tensor[:, :, None, None] if flat else tensor
    return made


def clip(state: State, prefix: str = "cond_stage_model.transformer.") -> dict[str, torch.Tensor]:
    """CLIP's text encoder under transformers' names of old, with `text_model.`."""
    return {
        prefix
        + (name if name.startswith(("text_model.", "text_projection")) else f"text_model.{name}"): tensor
        for name, tensor in state.items()
    }


def open_clip(state: State, prefix: str) -> dict[str, torch.Tensor]:
    """The same network under OpenCLIP's names: query, key and value are one tensor."""
    made: dict[str, torch.Tensor] = {}
    plain = {name.removeprefix("text_model."): tensor for name, tensor in state.items()}
    for name, tensor in plain.items():
        if name == "text_projection.weight":
            made[f"{prefix}text_projection"] = tensor.T
        elif name.startswith("embeddings."):
            table = {
                "token_embedding": "token_embedding.weight",
                "position_embedding": "positional_embedding",
            }
            made[prefix + table[name.split(".")[1]]] = tensor
        elif name.startswith("final_layer_norm."):
            made[f"{prefix}ln_final.{name.rsplit('.', 1)[1]}"] = tensor
        elif ".self_attn.k_proj." in name or ".self_attn.v_proj." in name:
            continue
        else:
            layer, _, rest = name.removeprefix("encoder.layers.").partition(".")
            place = f"{prefix}transformer.resblocks.{layer}."
            if rest.startswith("self_attn.q_proj."):
                kind = rest.rsplit(".", 1)[1]
                three = [plain[name.replace("q_proj", f"{one}_proj")] for one in "qkv"]
                made[f"{place}attn.in_proj_{kind}"] = torch.cat(three)
            else:
                inner, _, kind = rest.replace("self_attn.", "attn.").rpartition(".")
                made[f"{place}{_OPEN_CLIP.get(inner, inner)}.{kind}"] = tensor
    return made


def flux(state: State, prefix: str = "") -> dict[str, torch.Tensor]:
    """FLUX.1's transformer as Black Forest Labs name it."""
    embedders = {
        "timestep_embedder": "time_in",
        "text_embedder": "vector_in",
        "guidance_embedder": "guidance_in",
    }
    doubles = {
        **{"norm1.linear": "img_mod.lin", "norm1_context.linear": "txt_mod.lin"},
        **{"attn.to_out.0": "img_attn.proj", "attn.to_add_out": "txt_attn.proj"},
        **{"ff.net.0.proj": "img_mlp.0", "ff.net.2": "img_mlp.2"},
        **{"ff_context.net.0.proj": "txt_mlp.0", "ff_context.net.2": "txt_mlp.2"},
    }
    norms = {
        **{"attn.norm_q": "img_attn.norm.query_norm", "attn.norm_k": "img_attn.norm.key_norm"},
        **{"attn.norm_added_q": "txt_attn.norm.query_norm", "attn.norm_added_k": "txt_attn.norm.key_norm"},
    }
    ends = {"context_embedder": "txt_in", "x_embedder": "img_in", "proj_out": "final_layer.linear"}
    made: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        stem, _, kind = name.rpartition(".")
        words = stem.split(".")
        if words[0] == "time_text_embed":
            layer = {"linear_1": "in_layer", "linear_2": "out_layer"}[words[2]]
            made[f"{embedders[words[1]]}.{layer}.{kind}"] = tensor
        elif stem == "norm_out.linear":
            scale, shift = tensor.chunk(2)
            made[f"final_layer.adaLN_modulation.1.{kind}"] = torch.cat((shift, scale))
        elif stem in ends:
            made[f"{ends[stem]}.{kind}"] = tensor
        elif words[0] == "transformer_blocks":
            place, inner = f"double_blocks.{words[1]}.", ".".join(words[2:])
            if inner in doubles:
                made[f"{place}{doubles[inner]}.{kind}"] = tensor
            elif inner in norms:
                made[f"{place}{norms[inner]}.scale"] = tensor
            elif inner in ("attn.to_q", "attn.add_q_proj"):
                which, form = ("txt", "add_{}_proj") if "add" in inner else ("img", "to_{}")
                start = stem.rpartition(".")[0]
                three = [state[f"{start}.{form.format(one)}.{kind}"] for one in "qkv"]
                made[f"{place}{which}_attn.qkv.{kind}"] = torch.cat(three)
        else:
            place, inner = f"single_blocks.{words[1]}.", ".".join(words[2:])
            if inner == "norm.linear":
                made[f"{place}modulation.lin.{kind}"] = tensor
            elif inner in ("attn.norm_q", "attn.norm_k"):
                made[f"{place}norm.{'query' if inner.endswith('q') else 'key'}_norm.scale"] = tensor
            elif inner == "proj_out":
                made[f"{place}linear2.{kind}"] = tensor
            elif inner == "attn.to_q":
                start = stem.removesuffix("attn.to_q")
                four = [f"attn.to_{one}" for one in "qkv"] + ["proj_mlp"]
                made[f"{place}linear1.{kind}"] = torch.cat([state[f"{start}{one}.{kind}"] for one in four])
    return {prefix + name: tensor for name, tensor in made.items()}


def _parts(name: str) -> tuple[str, int, str, int, str]:
    found = re.match(r"(?:(mid_block)|(down_blocks|up_blocks)\.(\d+))\.(\w+)\.(\d+)\.(.*)", name)
    assert found is not None, name
    mid, block, number, kind, index, rest = found.groups()
    return mid or block, int(number or 0), kind, int(index), rest


def _resnet(rest: str) -> str:
    inner, _, kind = rest.rpartition(".")
    return f"{_RESNET[inner]}.{kind}"
