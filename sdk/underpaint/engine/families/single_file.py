"""A checkpoint in one file, read without torch: its components are parts of the file, told by prefixes.

Configurations, which such a file does not hold, come from `configs/`, beside this module. Traits that it
cannot tell may lie beside it, in NAME.underpaint.json for NAME.safetensors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from underpaint.engine.families.folder import TRAITS_FILE, Defaults, read_object, traits_of, unusable
from underpaint.hookspecs import Companions, ModelTraits
from underpaint.weights import Probe
from underpaint.weights.places import prefix_of
from underpaint.weights.safetensors import read_safetensors

CONFIGS = Path(__file__).with_name("configs")
"""Folders of configurations by family; each as a diffusers folder without weights."""
MODEL_INDEX = "model_index.json"
CONFIG = "config"
"""Component that stands for one of these folders."""
CLIP_WORDS = 49408
"""Words of the tokenizer that every CLIP text encoder of these families was trained with."""


def file_components(
    path: Path,
    probe: Probe,
    companions: Companions,
    networks: Sequence[str] = ("unet", "vae", "text_encoder"),
    tokenizers: Sequence[str] = ("tokenizer",),
) -> dict[str, Path]:
    """Components of a checkpoint with these networks, its text encoders all CLIP's.

    Those that its user named in `underpaint.json` are taken in place of its own. Raises `ModelUnusable` where
    one is missing, or the tokenizer is nowhere to be found.
    """
    chosen = {part: file for part, file in companions.chosen(path).items() if part in networks}
    for part, what in (("vae", "VAE"), ("text_encoder", "text encoder")):
        if part not in probe.parts and part not in chosen:
            raise unusable(
                path,
                f"it holds no {what}. Get the file that has it baked in, or name another file's in "
                f"{sidecar(path).name}",
            )
    home = CONFIGS / probe.family
    scheduler = home / ("scheduler-v" if probe.v_prediction else "scheduler")
    if probe.zero_snr and (lit := home / f"{scheduler.name}-zero-snr").is_dir():
        scheduler = lit
    words = dict.fromkeys(tokenizers, clip_tokenizer(path, probe.vocabulary or CLIP_WORDS, companions))
    return {**dict.fromkeys(networks, path), **chosen, **words, "scheduler": scheduler, CONFIG: home}


def clip_tokenizer(path: Path, words: int, companions: Companions) -> Path:
    """CLIP's tokenizer for the model at `path`. Raises `ModelUnusable` that says how to get one."""
    tokenizer = companions.tokenizer(words)
    if tokenizer is None:
        raise unusable(
            path,
            f"single files hold no tokenizer, and none with {words} words was found. Add a folder "
            "that has CLIP's (ComfyUI's installation, the Hugging Face cache with "
            "openai/clip-vit-large-patch14 or any Stable Diffusion 1.5 folder) with 'underpaint models roots "
            "add FOLDER', or run: pip install openai-clip",
        )
    return tokenizer


def file_traits(
    path: Path, components: Mapping[str, Path], defaults: Defaults, operations: tuple[str, ...]
) -> ModelTraits:
    """Traits of a checkpoint with these components. Raises `ModelUnusable`."""
    home = components[CONFIG]
    beside = sidecar(path)
    return traits_of(
        path,
        components,
        unet=_shipped(home / "unet" / "config.json"),
        vae=_shipped(home / "vae" / "config.json"),
        scheduler=_shipped(components["scheduler"] / "scheduler_config.json"),
        traits={"title": path.stem, **(read_object(path, beside) if beside.is_file() else {})},
        defaults=defaults,
        operations=operations,
    )


def index_of(path: Path, components: Mapping[str, Path]) -> Mapping[str, Any]:
    """What `model_index.json` says of a model: a folder's own; for a file the shipped one, if there is one.

    Raises `ModelUnusable`.
    """
    if not path.is_file():
        return read_object(path, path / MODEL_INDEX)
    shipped = components[CONFIG] / MODEL_INDEX if CONFIG in components else path
    return _shipped(shipped) if shipped.name == MODEL_INDEX else {}


def sidecar(path: Path) -> Path:
    """Where a file's traits lie, if it has any."""
    return path.with_name(f"{path.stem}.{TRAITS_FILE}")


def part_bytes(path: Path, component: str) -> int:
    """Bytes that a component takes in a file."""
    if path.suffix.lower() == ".gguf":
        return path.stat().st_size
    widths = {"F64": 8, "F32": 4, "I64": 8, "F8_E4M3": 1, "F8_E5M2": 1}
    listing = read_safetensors(path)
    prefix = prefix_of(component, listing.shapes)
    total = 0
    for name, shape in listing.shapes.items():
        if name.startswith(prefix):
            size = widths.get(listing.dtypes[name], 2)
            for edge in shape:
                size *= edge
            total += size
    return total


@lru_cache(maxsize=64)
def _shipped(path: Path) -> Mapping[str, Any]:
    return read_object(path.parent, path)
