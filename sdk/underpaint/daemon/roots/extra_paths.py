"""`extra_model_paths.yaml`: how ComfyUI's users name folders that lie elsewhere.

Groups of `base_path` and lists of folders by kind, a folder a line; relative to `base_path`, which is
relative to the file. `~` and variables are expanded, as ComfyUI does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from underpaint.daemon.roots.folders import Layout, ModelFolder, once
from underpaint.weights import kinds

NAME: Final = "extra-model-paths"
KINDS: Final = {
    "checkpoints": kinds.CHECKPOINT,
    "diffusion_models": kinds.TRANSFORMER,
    "unet": kinds.TRANSFORMER,
    "text_encoders": kinds.TEXT_ENCODER,
    "clip": kinds.TEXT_ENCODER,
    "clip_vision": kinds.IMAGE_ENCODER,
    "vae": kinds.VAE,
    "loras": kinds.LORA,
    "embeddings": kinds.EMBEDDING,
    "controlnet": kinds.CONTROL_NET,
    "t2i_adapter": kinds.T2I_ADAPTER,
    "ipadapter": kinds.IP_ADAPTER,
    "ipadapter-flux": kinds.IP_ADAPTER,
    "style_models": kinds.REDUX,
    "vae_approx": kinds.TINY_VAE,
    "upscale_models": kinds.UPSCALER,
    "diffusers": kinds.PIPELINE,
}
"""ComfyUI's folders by name, those of older versions among them."""
MAX_BYTES: Final = 1 << 20


def read(file: Path) -> Layout:
    """The folders that a file names and that exist; what is wrong with the file is in `problem`."""
    import yaml

    try:
        if file.stat().st_size > MAX_BYTES:
            return Layout(NAME, problem=f"{file} is larger than {MAX_BYTES:,} bytes")
        content = yaml.safe_load(file.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        return Layout(NAME, problem=f"{file} is not valid YAML: {str(error)[:200]}")
    except OSError as error:
        return Layout(NAME, problem=f"{file} cannot be read: {error.strerror}")
    if not isinstance(content, dict):
        return Layout(NAME, problem=f"{file} holds no groups of folders")
    groups = [group for group in content.values() if isinstance(group, dict)]
    # Stable: groups that ComfyUI takes first go first.
    groups.sort(key=lambda group: not group.get("is_default", False))
    return Layout(NAME, once(folder for group in groups for folder in _folders(group, file.parent)))


def _folders(group: Mapping[Any, Any], home: Path) -> Iterator[ModelFolder]:
    base = home
    if isinstance(group.get("base_path"), str):
        base = home / _expanded(group["base_path"])
    for name, lines in group.items():
        if name not in KINDS or not isinstance(lines, str):
            continue
        for line in filter(None, (line.strip() for line in lines.splitlines())):
            folder = Path(os.path.normpath(base / _expanded(line)))
            if folder.is_dir():
                yield ModelFolder(folder, KINDS[name])


def _expanded(text: str) -> Path:
    return Path(os.path.expandvars(text)).expanduser()
