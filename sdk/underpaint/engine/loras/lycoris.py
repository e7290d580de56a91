"""LoHa and LoKr, two kinds of LyCORIS (Yeh et al. 2023): a change made of two matrices multiplied otherwise.

LoHa is the product of two matrices entry by entry (Hyeon-Woo et al. 2021, FedPara), LoKr their Kronecker
product; either matrix may be a pair of factors itself.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional

from underpaint.engine.loras.factors import NO_LAYER, weight_shape

State = dict[str, torch.Tensor]

_KINDS = {"hada": "LoHa", "lokr": "LoKr"}
_STARTS = tuple(f"{kind}_w{which}" for kind in _KINDS for which in (1, 2))
_PREFIXES = ("lora_unet_", "lora_te_", "lora_te1_", "lora_te2_")
_DOWN, _UP = ".lora_down.weight", ".lora_up.weight"


class Product(nn.Module):
    """A change as large as the layer's weight, kept as what it is made of: a few per cent of that.

    `first` and `second` are each one matrix, or two whose product is meant, `(rows, rank)` and
    `(rank, columns)`. A convolution's kernel is in the columns. `scale` is alpha by rank.

    The change is made for each use and dropped after it: kept, all of them would take the memory of a second
    model. While a layer runs there is room for its change in float32 and one more, in half precision as many
    numbers again (SDXL's largest layer: 13 million numbers, 52 MB in float32). Making it takes `2 · rank + 1`
    multiplications a weight for LoHa and one for LoKr with whole matrices, where the layer itself takes one a
    weight and token. So a layer takes about twice its time: 1280 x 1280, 1024 tokens, rank 16 on one core
    23 ms, and 25 more with a LoHa, 24 with a LoKr, 1 with a pair of factors.
    """

    def __init__(
        self,
        first: tuple[torch.Tensor, ...],
        second: tuple[torch.Tensor, ...],
        scale: float,
        *,
        kronecker: bool,
    ) -> None:
        super().__init__()
        self.first = nn.ParameterList(nn.Parameter(part, requires_grad=False) for part in first)
        self.second = nn.ParameterList(nn.Parameter(part, requires_grad=False) for part in second)
        self.scale = scale
        self.kronecker = kronecker

    @property
    def shape(self) -> tuple[int, int]:
        """Of the change as a matrix: a layer's outputs, its inputs times a kernel's rows and columns."""
        (rows, columns), (more_rows, more_columns) = _size(self.first), _size(self.second)
        return (rows * more_rows, columns * more_columns) if self.kronecker else (rows, columns)

    @property
    def broken(self) -> bool:
        """Whether its parts do not fit one another."""
        parts = (self.first, self.second)
        fit = all(len(part) == 1 or part[0].shape[1:] == part[1].shape[:1] for part in parts)
        return not fit or not (self.kronecker or _size(self.first) == _size(self.second))

    def misfit(self, layer: nn.Module) -> str:
        """What keeps it from this layer; "" if it fits."""
        weight = weight_shape(layer)
        if not weight:
            return NO_LAYER.format(type(layer).__name__)
        fits = self.shape == (weight[0], torch.Size(weight[1:]).numel())
        return "" if fits else f"is {weight}, the LoRA {self.shape}"

    def forward(self, layer: nn.Module, x: torch.Tensor, strength: float) -> torch.Tensor:
        """What it adds to the layer's output for the input `x`, in `x`'s number format."""
        # In float32: a product of small numbers is below what half precision holds.
        first, second = _whole(self.first), _whole(self.second)
        change = torch.kron(first, second) if self.kronecker else first * second
        change = change.mul_(self.scale * strength).to(x.dtype)
        if isinstance(layer, nn.Conv2d):
            # The layer's own way to convolve: its stride, its padding, edges that meet where a job is tiled.
            convolved: torch.Tensor = layer._conv_forward(x, change.reshape(weight_shape(layer)), None)
            return convolved
        return functional.linear(x, change)


def take_products(state: State) -> tuple[State, list[Product]]:
    """A file's tensors with each LoHa or LoKr put aside, and a pair of factors in its place.

    Both factors are `(1, 1)`, int64, and hold its index in the list: diffusers' converters rename pairs of
    factors, and no others. Raises `ValueError` for what is no whole one.
    """
    kinds: dict[str, str] = {}
    by_layer: dict[str, State] = {}
    for name, tensor in state.items():
        layer, _, which = name.rpartition(".")
        by_layer.setdefault(layer, {})[which] = tensor
        if which.startswith(_STARTS):
            kinds[layer] = which[: len("hada")]
        if not (tensor.is_floating_point() or which == "alpha"):
            raise ValueError(f"whole numbers in {name}")
    rest = {name: tensor for name, tensor in state.items() if name.rpartition(".")[0] not in kinds}
    products = []
    for index, (layer, kind) in enumerate(kinds.items()):
        products.append(_product(layer, kind, by_layer[layer]))
        rest |= {layer + _DOWN: torch.tensor([[index]]), layer + _UP: torch.tensor([[index]])}
    return rest, products


def product_of(down: torch.Tensor, products: list[Product]) -> Product | None:
    """The one that this lower factor stands for, if it is no factor."""
    return None if down.is_floating_point() else products[int(down)]


def _product(layer: str, kind: str, own: Mapping[str, torch.Tensor]) -> Product:
    named = _KINDS[kind]
    if not layer.startswith(_PREFIXES):
        raise ValueError(f"a {named} of {layer}: only LyCORIS' own names are known (lora_unet_…)")
    left = dict(own)
    alpha = left.pop("alpha", None)
    halves, rank = [], 0
    for half in (f"{kind}_w1", f"{kind}_w2"):
        pair = (f"{half}_a", f"{half}_b")
        names = (half,) if half in left and kind == "lokr" else pair
        missing = [name for name in names if name not in left]
        if missing:
            raise ValueError(f"a {named} without {layer}.{missing[0]}")
        parts = tuple(left.pop(name) for name in names)
        if any(part.ndim not in (2, 4) for part in parts):
            raise ValueError(f"a {named} whose {layer}.{half} is no matrix")
        rank = parts[1].shape[0] if len(parts) == 2 else rank
        halves.append(tuple(part.flatten(1) for part in parts))
    if left:
        raise ValueError(f"a {named} with {layer}.{min(left)}")
    # Two whole matrices have no rank, and their alpha counts for nothing: LyCORIS' rule.
    scale = float(alpha) / rank if alpha is not None and rank else 1.0
    product = Product(halves[0], halves[1], scale, kronecker=kind == "lokr")
    if product.broken:
        raise ValueError(f"a {named} whose parts for {layer} do not fit one another")
    return product


def _size(parts: nn.ParameterList) -> tuple[int, int]:
    return parts[0].shape[0], parts[-1].shape[1]


def _whole(parts: nn.ParameterList) -> torch.Tensor:
    matrices = [part.float() for part in parts]
    whole: torch.Tensor = matrices[0] if len(matrices) == 1 else matrices[0] @ matrices[1]
    return whole
