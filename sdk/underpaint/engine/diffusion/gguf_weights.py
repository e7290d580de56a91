"""Networks whose weights stay packed in memory as a GGUF file has them, and are unpacked layer by layer.

What diffusers unpacks is taken by its own layer; what is packed but belongs to no linear layer is unpacked
at once.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from underpaint.engine.diffusion.fitting import check_fit
from underpaint.weights.places import prefix_of

State = dict[str, torch.Tensor]


def fill_from_gguf(
    network: Any, component: str, path: Path, rename: Callable[[State], State], dtype: torch.dtype
) -> Any:
    """Fills a network on the meta device; `rename` knows its names. Packed layers compute in `dtype`.

    Raises `ValueError` naming what does not fit, and for a kind of quantisation that nothing here unpacks.
    """
    state = _read(path, component)
    # GGUFParameter is a class of tensors: cutting rows keeps it one.
    state = rename(state)
    from diffusers.quantizers.gguf.utils import GGUFLinear, GGUFParameter, dequantize_gguf_tensor

    linear = {
        f"{name}.weight": module
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Linear)
    }
    packed: dict[str, Any] = {}
    plain: State = {}
    for name, tensor in state.items():
        if not isinstance(tensor, GGUFParameter):
            plain[name] = tensor.to(dtype)
        elif name in linear:
            packed[name] = tensor
        else:
            plain[name] = dequantize_gguf_tensor(tensor).to(dtype)
    shapes = {name: tuple(tensor.shape) for name, tensor in plain.items()}
    check_fit(network, shapes | {name: tuple(tensor.quant_shape) for name, tensor in packed.items()})
    for name, weight in packed.items():
        place = name.removesuffix(".weight")
        old = linear[name]
        with torch.device("meta"):
            layer = GGUFLinear(
                old.in_features, old.out_features, bias=old.bias is not None, compute_dtype=dtype
            )
        layer.weight = weight
        parent, _, last = place.rpartition(".")
        setattr(network.get_submodule(parent), last, layer)
    network.load_state_dict(plain, strict=False, assign=True)
    return network


def _read(path: Path, component: str) -> State:
    try:
        from diffusers.models.model_loading_utils import load_gguf_checkpoint

        state: State = load_gguf_checkpoint(path)
    except ImportError as error:
        raise ValueError(f"GGUF files need the package gguf ({error}). Run: pip install gguf") from error
    prefix = prefix_of(component, state)
    return {name.removeprefix(prefix): state[name] for name in state if name.startswith(prefix)}
