"""Muon: momentum whose matrix is made orthogonal before each update.

Every direction in a weight matrix then learns at the same pace, which a short training
feels; the scale makes one rate serve this and AdamW alike.
"""

from __future__ import annotations

from concurrent.futures import Executor

import torch
from torch import Tensor

from .formats import quick


def orthogonal(matrix: Tensor) -> Tensor:
    """The nearest (semi-)orthogonal matrix ``[m, n]``, roughly: five Newton–Schulz steps."""
    a, b, c = 3.4445, -4.7750, 2.0315  # chosen to pull all singular values fast towards 1
    x = matrix.to(quick(matrix.device))
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    result: Tensor = x.T if tall else x
    return result


class Muon:
    """For weights of two or more axes; the caller keeps others for AdamW.

    A ``size`` of 0.2 makes updates as large as AdamW's at the same rate.
    """

    def __init__(self, parameters: list[Tensor], momentum: float = 0.95, size: float = 0.2) -> None:
        self.parameters = parameters
        self.momentum, self.size = momentum, size
        self.buffers = [torch.zeros_like(p) for p in parameters]

    def step(self, rate: float, decay: float, crew: Executor | None = None) -> None:
        """One update; an update's elements have a root mean square of ``size`` × ``rate``."""

        @torch.no_grad()
        def one(parameter: Tensor, buffer: Tensor) -> None:
            gradient = parameter.grad
            if gradient is None:
                return
            buffer.lerp_(gradient, 1 - self.momentum)
            ahead = gradient.lerp(buffer, self.momentum).flatten(1)
            update = orthogonal(ahead).view_as(parameter)
            scale = self.size * max(ahead.shape) ** 0.5
            parameter.mul_(1 - rate * decay)
            parameter.add_(update, alpha=-rate * scale)

        list((crew.map if crew else map)(one, self.parameters, self.buffers))
