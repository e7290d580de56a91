"""What a LoRA adds to one layer: the product of two small matrices (Hu et al. 2021, LoRA)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

NO_LAYER = "is a {}, which no LoRA changes"


def weight_shape(layer: nn.Module) -> tuple[int, ...]:
    """Of a layer's weight, however the layer stores it; () for a kind that no LoRA changes."""
    if isinstance(layer, nn.Linear):
        # Quantised weights have shapes of their own.
        return layer.out_features, layer.in_features
    return tuple(layer.weight.shape) if isinstance(layer, nn.Conv2d) else ()


class Factors(nn.Module):
    """`down` is `(rank, inputs)`, with a kernel's rows and columns behind for a convolution; `up` likewise
    `(outputs, rank)`. `scale` is alpha by rank, as the LoRA was trained.
    """

    def __init__(self, down: torch.Tensor, up: torch.Tensor, scale: float) -> None:
        super().__init__()
        self.register_buffer("down", down)
        self.register_buffer("up", up)
        self.scale = scale

    down: torch.Tensor
    up: torch.Tensor

    def misfit(self, layer: nn.Module) -> str:
        """What keeps it from this layer; "" if it fits."""
        weight = weight_shape(layer)
        if not weight:
            return NO_LAYER.format(type(layer).__name__)
        kernel = tuple(self.down.shape[2:])
        changes = (self.up.shape[0], self.down.shape[1], *kernel)
        # A kernel of 1 x 1 is a matrix: either may stand for the other.
        plain = set(kernel) <= {1} and set(weight[2:]) <= {1}
        fits = changes[:2] == weight[:2] and (plain or changes == weight)
        return "" if fits else f"is {weight}, the LoRA {changes}"

    def forward(self, layer: nn.Module, x: torch.Tensor, strength: float) -> torch.Tensor:
        """What it adds to the layer's output for the input `x`, in `x`'s number format."""
        down, up = self.down.to(x.dtype), self.up.to(x.dtype)
        if isinstance(layer, nn.Conv2d):
            # The layer's own way to convolve: its stride, its padding, edges that meet where a job is tiled.
            small = layer._conv_forward(x, down.reshape(*down.shape[:2], *layer.kernel_size), None)
            large = functional.conv2d(small, up.reshape(*up.shape[:2], 1, 1))
        else:
            large = functional.linear(functional.linear(x, down.flatten(1)), up.flatten(1))
        return large * (self.scale * strength)


Layers = dict[str, nn.Module]
"""What is added, `Factors` or a `Product`, by the name of the layer inside its network."""


class LoraNetwork(nn.Module):
    """All that one LoRA adds: a network of its own, which is held and moved like any other."""

    def __init__(self, layers: dict[str, Layers]) -> None:
        super().__init__()
        self.places = tuple((component, name) for component, named in layers.items() for name in named)
        """Component and layer for each of `factors`."""
        self.factors = nn.ModuleList(factors for named in layers.values() for factors in named.values())
