"""Networks out of one checkpoint file, under its original names, by diffusers' own converters.

Nothing is fetched: configurations are given, and a name too many or too few is an error.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from underpaint.engine.families.single_file import PREFIXES

State = dict[str, torch.Tensor]

# CLIP's whole checkpoints carry these beside the text encoder; it has no use for them.
_IDLE = ("embeddings.position_ids", "text_projection.weight", "logit_scale")
_NAMED = 3


def load_network(kind: Any, component: str, path: Path, config: Mapping[str, Any], dtype: torch.dtype) -> Any:
    """A diffusers network of the class `kind` on the CPU. Raises `ValueError` naming what does not fit."""
    from accelerate import init_empty_weights

    with init_empty_weights(include_buffers=False):
        network = kind.from_config(dict(config))
    state = _converter(component)(_tensors(path, component), dict(config))
    return _filled(network, state, dtype)


def load_clip(kind: Any, component: str, path: Path, config: Mapping[str, Any]) -> Any:
    """A CLIP text encoder of transformers' class `kind` on the CPU, float32."""
    from accelerate import init_empty_weights
    from diffusers.loaders.single_file_utils import convert_ldm_clip_checkpoint

    with init_empty_weights(include_buffers=False):
        network = kind(kind.config_class.from_dict(dict(config)))
    state: State = convert_ldm_clip_checkpoint(_tensors(path, component))
    if not any(name.startswith("text_model.") for name in network.state_dict()):
        # transformers 5 dropped the word from its names.
        state = {name.removeprefix("text_model."): tensor for name, tensor in state.items()}
    kept = {name: tensor for name, tensor in state.items() if not name.endswith(_IDLE)}
    return _filled(network, kept, torch.float32)


def load_tokenizer(path: Path, length: int) -> Any:
    """CLIP's tokenizer from a folder, or from OpenAI's list of merges in a package."""
    from transformers import CLIPTokenizer

    if path.is_dir():
        tokenizer = CLIPTokenizer.from_pretrained(path, local_files_only=True)
    else:
        vocabulary, merges = _vocabulary(path)
        words: Any = merges  # pairs, as transformers' own reader gives them
        tokenizer = CLIPTokenizer(vocab=vocabulary, merges=words, model_max_length=length)
    # Folders of old do not say how much fits.
    tokenizer.model_max_length = min(tokenizer.model_max_length, length)
    return tokenizer


def _converter(component: str) -> Callable[[State, dict[str, Any]], State]:
    from diffusers.loaders import single_file_utils as names

    converters: dict[str, Callable[[State, dict[str, Any]], State]] = {
        "unet": names.convert_ldm_unet_checkpoint,
        "vae": names.convert_ldm_vae_checkpoint,
    }
    return converters[component]


def _tensors(path: Path, component: str) -> State:
    from safetensors import safe_open

    with safe_open(path, framework="pt", device="cpu") as file:
        return {name: file.get_tensor(name) for name in file.keys() if name.startswith(PREFIXES[component])}  # noqa: SIM118


def _filled(network: Any, state: State, dtype: torch.dtype) -> Any:
    wanted = network.state_dict()
    lacking, surplus = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    wrong = [name for name in wanted.keys() & state.keys() if wanted[name].shape != state[name].shape]
    for names, what in (
        (lacking, "lacks"),
        (surplus, "has, beyond what this network knows,"),
        (wrong, "misfits"),
    ):
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            raise ValueError(f"it {what} {', '.join(names[:_NAMED])}{more}")
    network.load_state_dict({name: tensor.to(dtype) for name, tensor in state.items()}, assign=True)
    return network


def _vocabulary(path: Path) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Words and merges from OpenAI's `bpe_simple_vocab_16e6.txt.gz`, numbered as CLIP's tokenizer does."""
    lines = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")[1 : 49152 - 256 - 2 + 1]
    merges = [(first, second) for first, second in (line.split() for line in lines)]
    letters = _letters()
    words = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(merge) for merge in merges)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    return {word: index for index, word in enumerate(words)}, merges


def _letters() -> list[str]:
    """A printable character for each byte, in the order of CLIP's (and GPT-2's) vocabulary."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = range(256 - len(plain))
    return [chr(code) for code in plain] + [chr(256 + index) for index in others]
