"""Tensors out of a pickle that torch saved, without running what it holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import IO, Any

import torch

# Bookkeeping of training programs: put in place by something that does nothing. Whatever else a pickle names
# beyond tensors and containers is a reason to refuse it.
_BOOKKEEPING = ("pytorch_lightning.", "lightning.", "lightning_fabric.", "omegaconf.", "numpy.")
# Where training programs keep the weights, first come first served.
_INSIDE = ("state_dict", "params_ema", "params", "model_state_dict", "string_to_param")


class Inert:
    """Stands for a class that is not loaded: takes everything, does nothing."""

    def __new__(cls, *_: Any, **__: Any) -> Inert:
        """Takes whatever its maker was given."""
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


class Unsafe(ValueError):
    """The pickle names something that is neither tensors nor bookkeeping."""


def read_tensors(stream: IO[bytes]) -> dict[str, torch.Tensor]:
    """By name, on the CPU. Raises `Unsafe`, and `ValueError` for what holds no weights."""
    strange = _strange(stream)
    bad = sorted(name for name in strange if not name.startswith(_BOOKKEEPING))
    if bad:
        raise Unsafe(f"it names {', '.join(bad[:3])}, which no weights need")
    stream.seek(0)
    with torch.serialization.safe_globals([(Inert, name) for name in strange]):
        content = torch.load(stream, map_location="cpu", weights_only=True)
    found = dict(_tensors(_inside(content)))
    if not found:
        raise ValueError("it holds no tensors where weights are kept")
    return found


def _strange(stream: IO[bytes]) -> list[str]:
    try:
        return list(torch.serialization.get_unsafe_globals_in_checkpoint(stream))
    except ValueError:
        # Of the old format, which cannot be looked through: what it names is refused as it is read.
        return []


def _inside(content: Any) -> Any:
    if not isinstance(content, Mapping):
        raise ValueError(f"it holds a {type(content).__name__}, and no tensors by name")
    for name in _INSIDE:
        inner = content.get(name)
        if isinstance(inner, Mapping):
            # A1111's embeddings call their one tensor "*".
            return {"emb_params": inner["*"]} if set(inner) == {"*"} else inner
    return content


def _tensors(content: Mapping[Any, Any]) -> Iterator[tuple[str, torch.Tensor]]:
    for name, value in content.items():
        if isinstance(name, str) and isinstance(value, torch.Tensor):
            yield name, value.detach()
