"""ComfyUI: `models/checkpoints` and its neighbours, and what `extra_model_paths.yaml` adds.

The names: `folder_paths.py` and `extra_model_paths.yaml.example` of ComfyUI.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from underpaint.daemon.roots import extra_paths
from underpaint.daemon.roots.folders import Layout, below, once

NAME: Final = "comfyui"
EXTRA: Final = "extra_model_paths.yaml"
_TOKENIZERS = (Path("comfy", "sd1_tokenizer"), Path("comfy", "text_encoders", "t5_tokenizer"))


def read(root: Path) -> Layout | None:
    """An installation, or a folder of its models alone; None for anything else."""
    models = next((place for place in (root / "models", root) if (place / "checkpoints").is_dir()), None)
    if models is None:
        return None
    found, problem = list(below(models, extra_paths.KINDS)), ""
    if (root / EXTRA).is_file():
        more = extra_paths.read(root / EXTRA)
        found += more.folders
        problem = more.problem
    tokenizers = tuple(root / place for place in _TOKENIZERS if (root / place).is_dir())
    return Layout(NAME, once(found), tokenizers, problem)
