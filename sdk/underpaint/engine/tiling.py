"""Seamless pictures: convolutions whose padding continues at the opposite edge, each axis for itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional

from underpaint.types import Tiling

_Forward = Callable[[torch.Tensor, torch.Tensor, "torch.Tensor | None"], torch.Tensor]


class Wrap:
    """Makes the convolutions of some modules wrap around while `around` is active, and only then.

    Installed once a model; used by the device's one thread.
    """

    def __init__(self, *modules: nn.Module) -> None:
        self._tiling = Tiling.NONE
        for module in modules:
            late = {id(child.conv) for child in module.modules() if _pads_late(child)}
            for child in module.modules():
                if isinstance(child, nn.Conv2d) and (id(child) in late or any(_padding(child))):
                    self._install(child, late=id(child) in late)

    @contextmanager
    def around(self, tiling: Tiling) -> Iterator[None]:
        """Wraps along the axes of `tiling`; whatever happens inside, the next job starts without."""
        self._tiling = tiling
        try:
            yield
        finally:
            self._tiling = Tiling.NONE

    def _install(self, conv: nn.Conv2d, *, late: bool) -> None:
        plain: _Forward = conv._conv_forward

        def forward(input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
            tiling = self._tiling
            if tiling is Tiling.NONE:
                return plain(input, weight, bias)
            if late:
                return plain(_rewrap(input, tiling), weight, bias)
            y, x = _padding(conv)
            padded = functional.pad(input, (x, x, 0, 0), mode="circular" if tiling.x else "constant")
            padded = functional.pad(padded, (0, 0, y, y), mode="circular" if tiling.y else "constant")
            return functional.conv2d(padded, weight, bias, conv.stride, 0, conv.dilation, conv.groups)

        conv._conv_forward = forward  # type: ignore[method-assign]


def _padding(conv: nn.Conv2d) -> tuple[int, int]:
    """Rows and columns of padding at each edge."""
    if isinstance(conv.padding, str):
        # "same" with the odd kernels that these networks have; "valid" pads nothing.
        y, x = ((size - 1) * step // 2 for size, step in zip(conv.kernel_size, conv.dilation, strict=True))
        return (y, x) if conv.padding == "same" else (0, 0)
    return int(conv.padding[0]), int(conv.padding[1])


def _pads_late(module: nn.Module) -> bool:
    """Whether this is a diffusers Downsample2D that pads right and bottom before its convolution."""
    return (
        type(module).__name__ == "Downsample2D"
        and getattr(module, "padding", None) == 0
        and isinstance(getattr(module, "conv", None), nn.Conv2d)
    )


def _rewrap(padded: torch.Tensor, tiling: Tiling) -> torch.Tensor:
    """Replaces the zeros in the last column and row by what lies at the opposite edge."""
    padded = padded.clone()
    if tiling.x:
        padded[..., -1] = padded[..., 0]
    if tiling.y:
        padded[..., -1, :] = padded[..., 0, :]
    return padded
