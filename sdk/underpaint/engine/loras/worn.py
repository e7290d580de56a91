"""LoRAs on a model's networks for one step: added beside the layers, gone when the step is done.

No weight is changed and no layer replaced, so without LoRAs a network is what it was, to the bit, whatever
ran before. For the device's one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch import nn

from underpaint.engine.loras.factors import LoraNetwork, Norm, Widened
from underpaint.engine.loras.plan import PlannedLora
from underpaint.engine.loras.read import read_lora
from underpaint.engine.residency import Shelf, Slot
from underpaint.errors import ModelUnusable

if TYPE_CHECKING:
    from underpaint.engine.diffusion.pace import Pace
    from underpaint.engine.diffusion.parts import Parts
    from underpaint.engine.diffusion.text import TextReader
    from underpaint.engine.regions.plan import RegionPlan

_TEXT_MODEL = "text_model."

Weigh = Callable[[str, torch.Tensor], torch.Tensor | float]
"""How far a LoRA counts in a layer of this name: a factor for its output, of a shape that fits it."""


class Loras:
    """The LoRAs that one model's jobs use, on the shelf beside its own components."""

    def __init__(self, shelf: Shelf, user: str, parts: Parts) -> None:
        self._shelf = shelf
        self._user = user
        self._parts = parts
        self._names: dict[Slot, tuple[str, ...]] = {}

    def missing(self, loras: Sequence[PlannedLora]) -> list[PlannedLora]:
        """Those whose file is not in memory as it was last written, each file once."""
        files = {self._slot(lora): lora for lora in loras}
        return [lora for slot, lora in files.items() if not self._shelf.has(slot)]

    def load(self, planned: PlannedLora) -> LoraNetwork:
        """A LoRA, from disk if need be. Raises `ModelUnusable` for one that does not fit the model."""
        slot, path = self._slot(planned), planned.path
        lora: LoraNetwork = self._shelf.get(slot, self._user, lambda: self._from_disk(path))
        if slot not in self._names:
            self._names[slot] = tuple(
                self._fitted(path, component, name, factors)
                for (component, name), factors in zip(lora.places, lora.factors, strict=True)
            )
        return lora

    @contextmanager
    def around(
        self,
        components: Collection[str],
        loras: Sequence[PlannedLora],
        weigh: Weigh | None = None,
        beside: torch.Tensor | None = None,
    ) -> Iterator[None]:
        """Has these LoRAs count in these components; whatever happens inside, the next step is without.

        `weigh`: how far in each layer; everywhere without one. `beside`: what those that read a second
        picture read of it, see `Widened`.
        """
        hooks = []
        try:
            for planned in loras:
                lora, names = self.load(planned), self._names[self._slot(planned)]
                networks = {part: self._parts.module(part) for part in components}
                for (component, _), name, factors in zip(lora.places, names, lora.factors, strict=True):
                    strength = planned.strength_in(component)
                    if component in components and strength:
                        layer = networks[component].get_submodule(name)
                        far = None if weigh is None else partial(weigh, name)
                        hooks.append(layer.register_forward_hook(_adding(factors, strength, far, beside)))
            yield
        finally:
            for hook in hooks:
                hook.remove()

    @contextmanager
    def in_regions(
        self, regions: RegionPlan | None, weigh: Callable[[int, str, torch.Tensor], torch.Tensor | float]
    ) -> Iterator[None]:
        """Has the LoRAs of regions count in the denoiser, as far as `weigh` says for each, counted from 1."""
        with ExitStack() as stack:
            for number, loras in enumerate(regions.loras if regions is not None else (), 1):
                stack.enter_context(self.around((self._parts.denoiser,), loras, partial(weigh, number)))
            yield

    @contextmanager
    def read_with(
        self, loras: tuple[PlannedLora, ...], beside: Hashable, *readers: TextReader
    ) -> Iterator[None]:
        """Has text encoders read with LoRAs; `readers` remember it as read so, and with what is `beside`.

        Inside of another one these come on top.
        """
        pace = self._parts.components.pace
        before = pace.variant
        variant = (before, loras, beside) if loras or beside else before
        try:
            with self.around(self._parts.text.components, loras):
                _reading_as(variant, pace, readers)
                yield
        finally:
            _reading_as(before, pace, readers)

    def _slot(self, planned: PlannedLora) -> Slot:
        return Slot(str(planned.path), str(self._parts.dtype), written=planned.written)

    def _from_disk(self, path: Path) -> LoraNetwork:
        found = read_lora(path, self._parts.denoiser, SimpleNamespace(**self._parts.denoiser_config))
        # The broker brings it to the device.
        return LoraNetwork(found).to(self._parts.dtype).eval().requires_grad_(False)

    def _fitted(self, path: Path, component: str, name: str, factors: Any) -> str:
        """The layer's name in the model's own network. Raises `ModelUnusable`."""
        parts = (self._parts.denoiser, *self._parts.text.components)
        if component not in parts:
            has = ", ".join(parts)
            _unusable(path, self._user, f"it changes a {component}, and the model has {has}")
        network = self._parts.module(component)
        # transformers 5 dropped the word from its names.
        own = name if _has(network, name) else name.removeprefix(_TEXT_MODEL)
        if not _has(network, own):
            _unusable(path, self._user, f"it changes {component}.{name}, which the model does not have")
        misfit: str = factors.misfit(network.get_submodule(own))
        if misfit:
            _unusable(path, self._user, f"the model's {component}.{name} {misfit}")
        return own


def _has(network: nn.Module, name: str) -> bool:
    try:
        network.get_submodule(name)
    except AttributeError:
        return False
    return True


def _reading_as(variant: Hashable, pace: Pace, readers: Sequence[TextReader]) -> None:
    pace.variant = variant
    for reader in readers:
        reader.recent.variant = variant


def _adding(
    factors: Any,
    strength: float,
    far: Callable[[torch.Tensor], torch.Tensor | float] | None,
    beside: torch.Tensor | None,
) -> Callable[[nn.Module, Any, torch.Tensor], torch.Tensor]:
    def hook(layer: nn.Module, inputs: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor:
        weight = 1.0 if far is None else far(output)
        if isinstance(weight, float) and weight == 0.0:
            return output
        x = inputs[0]
        if isinstance(factors, Widened):
            assert beside is not None, "such a LoRA is worn with its picture"
            x = torch.cat([x, beside.to(x)], dim=2)
        added: torch.Tensor
        added = factors(layer, x) - output if isinstance(factors, Norm) else factors(layer, x, strength)
        return output + (added if isinstance(weight, float) and weight == 1.0 else added * weight)

    return hook


def _unusable(path: Path, model: str, why: str) -> NoReturn:
    raise ModelUnusable(
        f"The LoRA {path.stem!r} does not fit the model {model!r}: {why}. Choose one that was made for it.",
        metadata={"model": path.stem, "path": str(path)},
    )
