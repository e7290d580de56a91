"""Networks that upscale, recognised and run by spandrel, an extra of its own.

spandrel imports torchvision, for two functions that no upscaler calls: `rotate` (LaMa, which inpaints) and
`normalize` (RestoreFormer, which mends faces). Where torchvision cannot be imported, because there is no
build for this torch, both are stood in for while spandrel is imported, and only then: afterwards no trace is
left that other libraries could take for torchvision. Where there is a torchvision, nothing of this happens.
"""

from __future__ import annotations

import enum
import importlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from underpaint.errors import EngineMissing, ModelUnusable

_NAMES = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")
_lock = threading.Lock()
_scales: dict[tuple[str, int, int], int] = {}


def load_upscaler(path: Path) -> Any:
    """A `spandrel.ImageModelDescriptor` on the CPU, ready to run. Any thread; reads the whole file.

    Raises `ModelUnusable` for what is no network that enlarges RGB pictures, `EngineMissing` where spandrel
    is not installed.
    """
    spandrel = library()
    from safetensors.torch import load_file

    try:
        found = spandrel.ModelLoader(device=torch.device("cpu")).load_from_state_dict(load_file(path))
    except (spandrel.UnsupportedModelError, KeyError, RuntimeError, ValueError) as error:
        raise _unusable(path, f"spandrel cannot build it ({str(error)[:200]})") from error
    if not isinstance(found, spandrel.ImageModelDescriptor) or found.scale < 2:
        raise _unusable(path, "it makes pictures no larger")
    if (found.input_channels, found.output_channels) != (3, 3):
        raise _unusable(path, f"it takes {found.input_channels} channels, not three")
    return found.eval()


def scale_of(path: Path) -> tuple[int, Any]:
    """How much it enlarges; and the network, where its file had to be read for that. Any thread."""
    status = path.stat()
    key = (str(path), status.st_size, status.st_mtime_ns)
    with _lock:
        known = _scales.get(key)
    if known is not None:
        return known, None
    found = load_upscaler(path)
    with _lock:
        _scales[key] = int(found.scale)
    return int(found.scale), found


def library() -> Any:
    """spandrel. Raises `EngineMissing` where it is not installed."""
    with _lock, _torchvision():
        try:
            return importlib.import_module("spandrel")
        except ImportError as error:
            raise EngineMissing(
                f"Upscalers need spandrel, which cannot be imported ({error}): "
                "pip install 'underpaint[upscale]'. Without it, 'lanczos' enlarges by denoising."
            ) from error


@contextmanager
def _torchvision() -> Iterator[None]:
    """torchvision while spandrel is imported: the real one, or what stands in for it."""
    if "spandrel" in sys.modules or _real():
        yield
        return
    made = [ModuleType(name) for name in _NAMES]
    made[0].transforms, made[1].functional = made[1], made[2]  # type: ignore[attr-defined]
    made[2].InterpolationMode = _Interpolation  # type: ignore[attr-defined]
    made[2].rotate, made[2].normalize = rotate, normalize  # type: ignore[attr-defined]
    sys.modules.update(zip(_NAMES, made, strict=True))
    try:
        yield
    finally:
        for name in _NAMES:
            del sys.modules[name]


def _real() -> bool:
    try:
        importlib.import_module(_NAMES[-1])
    except (ImportError, OSError, RuntimeError):
        # A CUDA build beside CPU torch raises RuntimeError or OSError; its half-made modules must not stay.
        for name in [name for name in sys.modules if name.partition(".")[0] == _NAMES[0]]:
            del sys.modules[name]
        return False
    return True


class _Interpolation(enum.Enum):
    NEAREST = "nearest"
    BILINEAR = "bilinear"


def normalize(tensor: torch.Tensor, mean: Any, std: Any, inplace: bool = False) -> torch.Tensor:
    """Each channel of `(…, channels, height, width)` less its mean, by its deviation."""
    out = tensor if inplace else tensor.clone()
    shift, spread = (torch.as_tensor(value, dtype=out.dtype, device=out.device) for value in (mean, std))
    return out.sub_(shift.view(-1, 1, 1)).div_(spread.view(-1, 1, 1))


def rotate(*_arguments: Any, **_options: Any) -> torch.Tensor:
    """Only LaMa's spectral transform would call it, and LaMa enlarges nothing."""
    raise ModelUnusable("This network needs torchvision, which is not installed for this torch.")


def _unusable(path: Path, why: str) -> ModelUnusable:
    return ModelUnusable(
        f"The upscaler {path.stem!r} cannot be used: {why}. Choose another, or 'lanczos' to do without.",
        metadata={"model": path.stem, "path": str(path)},
    )
