"""Tiny autoencoders (TAESD) that lie in the roots: which one makes previews of which model. Blocking."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from underpaint.daemon.companions import CONFIG
from underpaint.daemon.roots.walk import is_anonymous
from underpaint.daemon.scan import FoundModel
from underpaint.errors import ModelUnusable
from underpaint.weights import kinds
from underpaint.weights.latent_spaces import latent_space, tiny_space
from underpaint.weights.safetensors import read_safetensors
from underpaint.weights.tiny_decoders import tiny_decoder_config

COMPONENT: Final = "preview"
"""Component that stands for the folder or file of one."""
_CONFIG: Final = "config.json"


class TinyVaes:
    """What one scan found, by latent space; of several the first by name."""

    def __init__(self, found: Iterable[FoundModel] = ()) -> None:
        self._folders: dict[str, Path] = {}
        for model in sorted(found, key=lambda model: model.name):
            if model.kind == kinds.TINY_VAE and not model.problem:
                self._folders.setdefault(_space_of_tiny(model.name, model.path), _place(model.path))
        self._folders.pop("", None)

    def beside(self, found: FoundModel) -> FoundModel:
        """A model with the one whose latents are its own, if there is one."""
        if found.traits is None or not self._folders:
            return found
        folder = self._folders.get(_space_of_model(found.traits.components))
        if folder is None:
            return found
        components = {**found.traits.components, COMPONENT: folder}
        return replace(found, traits=replace(found.traits, components=components))


def tiny_problem(name: str, path: Path) -> str:
    """Why the file `path` of such an autoencoder makes no previews; "" if it does."""
    if _place(path) != path and not _config(path.with_name(_CONFIG)):
        return "its config.json cannot be read. Get it again, as diffusers writes it, or remove it"
    if not _channels(path):
        return "it holds no decoder, which previews need: get the file of that name with decoder in it"
    if not _space_of_tiny(name, path):
        return (
            "it cannot be told whose latents it reads: name its folder or file taesd (Stable Diffusion 1.5), "
            "taesdxl or taef1 (FLUX.1), as its authors do"
        )
    return ""


def _place(path: Path) -> Path:
    """The folder that diffusers wrote, where the file `path` is the one in it; else the file."""
    return path.parent if is_anonymous(path.stem) and path.with_name(_CONFIG).exists() else path


def _channels(path: Path) -> int:
    """Of the latents that its decoder reads; 0 where there is none."""
    if _place(path) != path:
        return int(_config(path.with_name(_CONFIG)).get("latent_channels", 4))
    try:
        config = tiny_decoder_config(read_safetensors(path))
    except (OSError, ModelUnusable):
        return 0
    return 0 if config is None else int(config["latent_channels"])


def _space_of_tiny(name: str, path: Path) -> str:
    return tiny_space(name, _channels(path))


def _space_of_model(components: Mapping[str, Path]) -> str:
    vae = components.get("vae")
    if vae is None:
        return ""
    home = components.get(CONFIG, vae.parent) / "vae" if vae.is_file() else vae
    return latent_space(_config(home / "config.json"))


def _config(path: Path) -> Mapping[str, Any]:
    """A configuration; nothing where it cannot be read: whoever loads the model says why."""
    try:
        return _read(path, path.stat().st_mtime_ns)
    except (OSError, ValueError):
        return {}


@lru_cache(maxsize=256)
def _read(path: Path, changed: int) -> Mapping[str, Any]:
    content = json.loads(path.read_text("utf-8"))
    return content if isinstance(content, dict) else {}
