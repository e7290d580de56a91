"""Tiny diffusers folders as one checkpoint file under the original names, and as the daemon describes it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from tests.support import original_names as original
from underpaint.engine.families.single_file import CONFIG
from underpaint.worker_v1 import worker_service_pb2

State = dict[str, torch.Tensor]
_PARTS = ("unet", "transformer", "vae", "text_encoder", "text_encoder_2")
_TOKENIZERS = ("tokenizer", "tokenizer_2")


def weights(folder: Path, component: str) -> State:
    """A component's weights under diffusers' names."""
    return load_file(next((folder / component).glob("*.safetensors")))


def parts_of(folder: Path) -> tuple[str, ...]:
    """The components with weights that a folder has."""
    return tuple(part for part in _PARTS if (folder / part).is_dir())


def flux_state(folder: Path, part: str, *, whole: bool = False) -> State:
    """A part of a tiny FLUX model under original names, in a file of its own or in a whole checkpoint."""
    state = weights(folder, part)
    if part == "transformer":
        return original.flux(state, "model.diffusion_model." if whole else "")
    if part == "vae":
        return original.vae(state, 4, "vae." if whole else "")
    if part == "text_encoder":
        return original.clip(state, "text_encoders.clip_l.transformer." if whole else "")
    return {f"text_encoders.t5xxl.transformer.{n}" if whole else n: tensor for n, tensor in state.items()}


def original_state(folder: Path) -> State:
    """Every tensor of a tiny model, named as in the released files."""
    if "transformer" in parts_of(folder):
        parts = [flux_state(folder, part, whole=True) for part in parts_of(folder)]
        return {name: tensor for part in parts for name, tensor in part.items()}
    state = {**original.unet(weights(folder, "unet"), 1), **original.vae(weights(folder, "vae"), 4)}
    second = "text_encoder_2" in parts_of(folder)
    # What whole checkpoints carry and no network needs.
    state |= {"model_ema.decay": torch.ones(()), "alphas_cumprod": torch.ones(1000)}
    if "text_encoder" in parts_of(folder):
        place = "conditioner.embedders.0.transformer." if second else "cond_stage_model.transformer."
        state |= original.clip(weights(folder, "text_encoder"), place)
        state[f"{place}text_model.embeddings.position_ids"] = torch.arange(77)[None]
    if second:
        place = f"conditioner.embedders.{int('text_encoder' in parts_of(folder))}.model."
        state |= original.open_clip(weights(folder, "text_encoder_2"), place)
        state[f"{place}logit_scale"] = torch.ones(())
    return state


def write_checkpoint(folder: Path, file: Path, change: Callable[[State], Any] = lambda state: None) -> Path:
    """A tiny diffusers folder as one file under the original names, with its traits beside it."""
    state = original_state(folder)
    change(state)
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, file)
    shutil.copy(folder / "underpaint.json", file.with_name(f"{file.stem}.underpaint.json"))
    return file


def write_parts(folder: Path, place: Path) -> dict[str, Path]:
    """A tiny FLUX model as a file a part, by component."""
    files = {part: place / f"{part}.safetensors" for part in parts_of(folder)}
    for part, file in files.items():
        save_file({name: tensor.contiguous() for name, tensor in flux_state(folder, part).items()}, file)
    shutil.copy(folder / "underpaint.json", place / "transformer.underpaint.json")
    return files


def source(
    folder: Path, file: Path, files: Mapping[str, Path] | None = None
) -> worker_service_pb2.ModelSource:
    """As the daemon hands it to a worker, with the tiny model's configurations for the shipped ones.

    Components come from `file`, or where `files` says so.
    """
    words = {name: folder / name for name in _TOKENIZERS if (folder / name).is_dir()}
    if "unet" in parts_of(folder):
        # One tokenizer of CLIP's for all, as the daemon finds it.
        words = dict.fromkeys(words, next(iter(words.values())))
    components = {part: str((files or {}).get(part, file)) for part in parts_of(folder)}
    others = {**words, "scheduler": folder / "scheduler", CONFIG: folder}
    components |= {name: str(path) for name, path in others.items()}
    return worker_service_pb2.ModelSource(name="single", path=str(file), components=components)


def shipped(configs: Path, component: str) -> dict[str, Any]:
    """A shipped configuration."""
    content: dict[str, Any] = json.loads((configs / component / "config.json").read_text())
    return content
