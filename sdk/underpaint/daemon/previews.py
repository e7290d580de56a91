"""Tiny autoencoders (TAESD) that lie in the roots: which one makes previews of which model. Blocking."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from underpaint.daemon.companions import CONFIG
from underpaint.daemon.scan import FoundModel
from underpaint.weights import kinds
from underpaint.weights.latent_spaces import latent_space, tiny_space

COMPONENT: Final = "preview"
"""Component that stands for the folder of one."""


class TinyVaes:
    """What one scan found, by latent space; of several the first by name."""

    def __init__(self, found: Iterable[FoundModel] = ()) -> None:
        self._folders: dict[str, Path] = {}
        for model in sorted(found, key=lambda model: model.name):
            if model.kind == kinds.TINY_VAE and not model.problem:
                self._folders.setdefault(_space_of_tiny(model.name, model.path), model.path.parent)
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
    if not _config(path.with_name("config.json")):
        return "it needs its config.json beside it, as diffusers writes it"
    if not _space_of_tiny(name, path):
        return (
            "it cannot be told whose latents it reads: name its folder taesd (Stable Diffusion 1.5), taesdxl "
            "or taef1 (FLUX.1), as its authors do"
        )
    return ""


def _space_of_tiny(name: str, path: Path) -> str:
    return tiny_space(name, _config(path.with_name("config.json")).get("latent_channels", 4))


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
