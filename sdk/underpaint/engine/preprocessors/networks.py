"""Networks of transformers' that look at a picture, read from the folders where the daemon found them.

On the CPU, in float32, from safetensors only; nothing is downloaded, and no code that comes with weights
runs. The last few stay in memory.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from underpaint.engine.pixels.color import Floats

_KEPT = 2
"""A pose takes two: one finds people, one finds their joints."""


@lru_cache(maxsize=_KEPT)
def network(folder: Path, kind: str) -> Any:
    """The network in a folder, ready to run. `kind` names a class of transformers', an AutoModel for one."""
    import transformers

    read: Any = getattr(transformers, kind)
    made = read.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    return made.eval().requires_grad_(False)


@lru_cache(maxsize=_KEPT)
def image_processor(folder: Path) -> Any:
    """What makes a network's input of pictures, as its folder says."""
    from transformers import AutoImageProcessor

    read: Any = AutoImageProcessor
    return read.from_pretrained(folder, local_files_only=True)


def colours(picture: Floats) -> npt.NDArray[np.uint8]:
    """A preprocessor's picture as these networks want it: RGB in 8 bits, `(height, width, 3)`."""
    return np.asarray(np.rint(np.clip(picture[..., :3], 0.0, 1.0) * 255.0), np.uint8)
