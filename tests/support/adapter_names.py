"""State dicts of adapters and upscalers on the meta device, under the names that their makers write."""

from __future__ import annotations

import torch

from tests.support import architectures, original_names

State = dict[str, torch.Tensor]
RANK = 16


def _empty(*shape: int) -> torch.Tensor:
    return torch.empty(shape, device="meta")


def _linears(state: State, *words: str) -> dict[str, tuple[int, int]]:
    """Linear layers with one of these words in their names: (outputs, inputs)."""
    return {
        name.removesuffix(".weight"): (tensor.shape[0], tensor.shape[1])
        for name, tensor in state.items()
        if name.endswith(".weight") and tensor.ndim == 2 and any(word in name for word in words)
    }


def _pairs(layers: dict[str, tuple[int, int]], down: str, up: str, *, alpha: bool = False) -> State:
    made: State = {}
    for name, (outputs, inputs) in layers.items():
        made[f"{name}.{down}"], made[f"{name}.{up}"] = _empty(RANK, inputs), _empty(outputs, RANK)
        if alpha:
            made[f"{name}.alpha"] = _empty()
    return made


def kohya(family: str) -> State:
    """A LoRA as kohya's scripts write it: SD's under diffusers' names, SDXL's under the original ones."""
    if family == "flux":
        layers = _linears(
            original_names.flux(architectures.flux()), "img_attn", "txt_attn", "linear1", "img_mlp"
        )
    elif family == "sdxl":
        layers = _linears(original_names.unet(architectures.unet(family), 2, ""), "attn", "ff")
    else:
        layers = _linears(architectures.unet(family), "attn", "ff")
    flat = {f"lora_unet_{name.replace('.', '_')}": shape for name, shape in layers.items()}
    return _pairs(flat, "lora_down.weight", "lora_up.weight", alpha=True)


def kohya_text_only() -> State:
    """A LoRA of SD 1.5's text encoder alone."""
    layers = _linears(architectures.clip("clip-l"), "mlp", "self_attn")
    names = {"lora_te_text_model_" + name.replace(".", "_"): shape for name, shape in layers.items()}
    return _pairs(names, "lora_down.weight", "lora_up.weight", alpha=True)


def diffusers(family: str) -> State:
    """A LoRA as diffusers' `save_lora_weights` writes it."""
    if family == "flux":
        layers = _linears(architectures.flux(), "attn")
        return _pairs(
            {f"transformer.{n}": shape for n, shape in layers.items()}, "lora_A.weight", "lora_B.weight"
        )
    layers = _linears(architectures.unet(family), "attn")
    return _pairs({f"unet.{n}": shape for n, shape in layers.items()}, "lora_A.weight", "lora_B.weight")


def xlabs() -> State:
    """A FLUX LoRA as XLabs name it."""
    made: State = {}
    for block in range(19):
        for layer, width in (("qkv_lora1", 9216), ("proj_lora1", 3072)):
            base = f"double_blocks.{block}.processor.{layer}"
            made[f"{base}.down.weight"], made[f"{base}.up.weight"] = _empty(16, 3072), _empty(width, 16)
    return made


def flux_control() -> State:
    """A LoRA of FLUX Depth as BFL name it, of rank 2: all layers, with biases and normalisations."""
    width, half = 3072, torch.bfloat16
    mlp = 4 * width
    linear = {
        "img_in": (128, width),
        "txt_in": (4096, width),
        "time_in.in_layer": (256, width),
        "time_in.out_layer": (width, width),
        "vector_in.in_layer": (768, width),
        "vector_in.out_layer": (width, width),
        "guidance_in.in_layer": (256, width),
        "guidance_in.out_layer": (width, width),
        "final_layer.linear": (width, 64),
        "final_layer.adaLN_modulation.1": (width, 2 * width),
    }
    norms = []
    for block in range(19):
        for side in ("img", "txt"):
            name = f"double_blocks.{block}.{side}"
            linear |= {
                f"{name}_mod.lin": (width, 6 * width),
                f"{name}_attn.qkv": (width, 3 * width),
                f"{name}_attn.proj": (width, width),
                f"{name}_mlp.0": (width, mlp),
                f"{name}_mlp.2": (mlp, width),
            }
            norms += [f"{name}_attn.norm.{one}_norm.scale" for one in ("query", "key")]
    for block in range(38):
        name = f"single_blocks.{block}"
        linear |= {
            f"{name}.modulation.lin": (width, 3 * width),
            f"{name}.linear1": (width, 3 * width + mlp),
            f"{name}.linear2": (width + mlp, width),
        }
        norms += [f"{name}.norm.{one}_norm.scale" for one in ("query", "key")]
    tensors = {norm: torch.ones(128, dtype=half) for norm in norms}
    for name, (inputs, outputs) in linear.items():
        tensors[f"{name}.lora_A.weight"] = torch.zeros(2, inputs, dtype=half)
        tensors[f"{name}.lora_B.weight"] = torch.zeros(outputs, 2, dtype=half)
        tensors[f"{name}.lora_B.bias"] = torch.zeros(outputs, dtype=half)
    return tensors


def loha(family: str) -> State:
    """LyCORIS' Hadamard product."""
    made: State = {}
    for name, (outputs, inputs) in _linears(architectures.unet(family), "attn").items():
        base = f"lora_unet_{name.replace('.', '_')}"
        for one in "12":
            made[f"{base}.hada_w{one}_a"], made[f"{base}.hada_w{one}_b"] = (
                _empty(outputs, 8),
                _empty(8, inputs),
            )
    return made


def lokr(family: str) -> State:
    """LyCORIS' Kronecker product."""
    made: State = {}
    for name, (outputs, inputs) in _linears(architectures.unet(family), "attn").items():
        base = f"lora_unet_{name.replace('.', '_')}"
        made[f"{base}.lokr_w1"] = _empty(8, 8)
        made[f"{base}.lokr_w2_a"], made[f"{base}.lokr_w2_b"] = _empty(outputs // 8, 4), _empty(4, inputs // 8)
    return made


def ip_adapter(context: int, *, face: bool = False) -> State:
    """An IP-Adapter of SD 1.5's or SDXL's width; FaceID carries a LoRA."""
    made: State = {
        "image_proj.proj.weight": _empty(4 * context, 1024),
        "image_proj.norm.weight": _empty(context),
    }
    for index in range(1, 32, 2):
        for which in ("k", "v"):
            made[f"ip_adapter.{index}.to_{which}_ip.weight"] = _empty(320, context)
        if face:
            made[f"ip_adapter.{index - 1}.to_q_lora.down.weight"] = _empty(128, 320)
    return made


def flux_ip_adapter() -> State:
    """XLabs' IP-Adapter for FLUX."""
    made: State = {"ip_adapter_proj_model.proj.weight": _empty(16384, 768)}
    for block in range(19):
        name = f"double_blocks.{block}.processor.ip_adapter_double_stream_k_proj.weight"
        made[name] = _empty(3072, 4096)
    return made


def t2i_adapter(channels: int) -> State:
    """A T2I-Adapter in its authors' naming."""
    made: State = {"conv_in.weight": _empty(320, channels, 3, 3)}
    for block in range(8):
        made[f"body.{block}.block1.weight"] = _empty(320, 320, 3, 3)
        made[f"body.{block}.block2.weight"] = _empty(320, 320, 1, 1)
    return made


def esrgan(*, old: bool) -> State:
    """ESRGAN, 23 blocks, in its old or its new naming."""
    first = "model.0.weight" if old else "conv_first.weight"
    made: State = {first: _empty(64, 3, 3, 3)}
    for block in range(23):
        for dense in (1, 2, 3):
            for conv in range(1, 6):
                name = (
                    f"model.1.sub.{block}.RDB{dense}.conv{conv}.0.weight"
                    if old
                    else f"body.{block}.rdb{dense}.conv{conv}.weight"
                )
                made[name] = _empty(32 if conv < 5 else 64, 64 + 32 * (conv - 1), 3, 3)
    return made


def compact() -> State:
    """Real-ESRGAN's compact network for video."""
    made: State = {"body.0.weight": _empty(64, 3, 3, 3)}
    for layer in range(1, 34):
        made[f"body.{2 * layer - 1}.weight"] = _empty(64)
        made[f"body.{2 * layer}.weight"] = _empty(64, 64, 3, 3)
    return made
