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
    `(outputs, rank)`. `scale` is alpha by rank, as the LoRA was trained. `bias`, `(outputs,)`, is added to
    the product where it was trained, too.
    """

    def __init__(
        self, down: torch.Tensor, up: torch.Tensor, scale: float, bias: torch.Tensor | None = None
    ) -> None:
        super().__init__()
        self.register_buffer("down", down)
        self.register_buffer("up", up)
        self.register_buffer("bias", bias)
        self.scale = scale

    down: torch.Tensor
    up: torch.Tensor
    bias: torch.Tensor | None

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
        bias = None if self.bias is None else self.bias.to(x.dtype)
        if isinstance(layer, nn.Conv2d):
            # The layer's own way to convolve: its stride, its padding, edges that meet where a job is tiled.
            small = layer._conv_forward(x, down.reshape(*down.shape[:2], *layer.kernel_size), None)
            large = functional.conv2d(small, up.reshape(*up.shape[:2], 1, 1), bias)
        else:
            large = functional.linear(functional.linear(x, down.flatten(1)), up.flatten(1), bias)
        return large * (self.scale * strength)


class Widened(Factors):
    """Of a layer that shall read a second picture beside its input, `(rows, tokens, channels)` as well.

    `forward` gets both, joined at their channels.
    """

    def misfit(self, layer: nn.Module) -> str:
        """See `Factors`; the layer itself reads half of what these do."""
        weight, changes = weight_shape(layer), (self.up.shape[0], self.down.shape[1])
        return "" if changes == (weight[0], 2 * weight[1]) else f"is {weight}, the LoRA {changes}"


class Norm(nn.Module):
    """A weight `(channels,)` in place of that of a normalisation (RMS), whole whatever the strength."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight)

    weight: torch.Tensor

    def misfit(self, layer: nn.Module) -> str:
        """What keeps it from this layer; "" if it fits."""
        if not isinstance(layer, nn.RMSNorm):
            return f"is a {type(layer).__name__}, no normalisation"
        changes = tuple(self.weight.shape)
        return "" if changes == layer.normalized_shape else f"is {layer.normalized_shape}, the LoRA {changes}"

    def forward(self, layer: nn.RMSNorm, x: torch.Tensor) -> torch.Tensor:
        """The layer's output with this weight, in `x`'s number format."""
        # Not the difference to the layer's own: where layers are streamed, that has left again.
        return functional.rms_norm(x, layer.normalized_shape, self.weight.to(x.dtype), layer.eps)


Layers = dict[str, nn.Module]
"""What is added, `Factors`, a `Product` or a `Norm`, by the name of the layer inside its network."""


class LoraNetwork(nn.Module):
    """All that one LoRA adds: a network of its own, which is held and moved like any other."""

    def __init__(self, layers: dict[str, Layers]) -> None:
        super().__init__()
        self.places = tuple((component, name) for component, named in layers.items() for name in named)
        """Component and layer for each of `factors`."""
        self.factors = nn.ModuleList(factors for named in layers.values() for factors in named.values())
