"""Networks out of weight files as other programs name them: a part of a checkpoint, or a file of its own.

Nothing is fetched: configurations are given, and a name too many or too few is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from underpaint.engine.diffusion.fitting import check_fit
from underpaint.engine.diffusion.gguf_weights import fill_from_gguf
from underpaint.engine.diffusion.original_names import State, clip_names, network_names
from underpaint.weights.places import prefix_of

GGUF = ".gguf"
# CLIP's whole checkpoints carry these beside the text encoder; one without a projection has no use for them.
_IDLE = ("embeddings.position_ids", "text_projection.weight", "logit_scale")
# T5 has one table of words under two names; files have either, or both.
_WORDS = ("shared.weight", "encoder.embed_tokens.weight")


def load_network(kind: Any, component: str, path: Path, config: Mapping[str, Any], dtype: torch.dtype) -> Any:
    """A diffusers network of the class `kind` on the CPU. Raises `ValueError` naming what does not fit."""
    from accelerate import init_empty_weights

    with init_empty_weights(include_buffers=False):
        network = kind.from_config(dict(config))

    def rename(state: State) -> State:
        return network_names(component, state, config)

    if path.suffix.lower() == GGUF:
        return fill_from_gguf(network, component, path, rename, dtype)
    return _filled(network, rename(tensors(path, component)), dtype)


def load_clip(kind: Any, component: str, path: Path, config: Mapping[str, Any]) -> Any:
    """A CLIP text encoder of transformers' class `kind` on the CPU, float32."""
    from accelerate import init_empty_weights

    with init_empty_weights(include_buffers=False):
        network = kind(kind.config_class.from_dict(dict(config)))
    state = clip_names(network, tensors(path, component))
    wanted = network.state_dict().keys()
    kept = {name: tensor for name, tensor in state.items() if name in wanted or not name.endswith(_IDLE)}
    return _filled(network, kept, torch.float32)


def load_t5(kind: Any, component: str, path: Path, config: Mapping[str, Any], dtype: torch.dtype) -> Any:
    """A T5 encoder of transformers' class `kind` on the CPU. Raises `ValueError` naming what does not fit."""
    from accelerate import init_empty_weights

    with init_empty_weights(include_buffers=False):
        network = kind(kind.config_class.from_dict(dict(config)))
    state = tensors(path, component)
    words = next((state[name] for name in _WORDS if name in state), None)
    if words is not None:
        state |= {name: words for name in _WORDS if name in network.state_dict()}
    network = _filled(network, state, dtype)
    network.tie_weights()
    return network


def tensors(path: Path, component: str) -> State:
    """A component's tensors in a file, the prefix of their names taken off. Reads no others."""
    from safetensors import safe_open

    with safe_open(path, framework="pt", device="cpu") as file:
        names = list(file.keys())
        prefix = prefix_of(component, names)
        return {name.removeprefix(prefix): file.get_tensor(name) for name in names if name.startswith(prefix)}


def _filled(network: Any, state: State, dtype: torch.dtype) -> Any:
    check_fit(network, {name: tuple(tensor.shape) for name, tensor in state.items()})
    network.load_state_dict({name: tensor.to(dtype) for name, tensor in state.items()}, assign=True)
    return network
