"""LoRAs on a model's networks for one step: added beside the layers, gone when the step is done.

No weight is changed and no layer replaced, so without LoRAs a network is what it was, to the bit, whatever
ran before. For the device's one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch import nn

from underpaint.engine.loras.factors import LoraNetwork
from underpaint.engine.loras.plan import PlannedLora
from underpaint.engine.loras.read import read_lora
from underpaint.engine.residency import Shelf, Slot
from underpaint.errors import ModelUnusable

if TYPE_CHECKING:
    from underpaint.engine.diffusion.parts import Parts
    from underpaint.engine.diffusion.text import TextReader

_TEXT_MODEL = "text_model."


class Loras:
    """The LoRAs that one model's jobs use, on the shelf beside its own components."""

    def __init__(self, shelf: Shelf, user: str, parts: Parts) -> None:
        self._shelf = shelf
        self._user = user
        self._parts = parts
        self._names: dict[Path, tuple[str, ...]] = {}

    def missing(self, loras: Sequence[PlannedLora]) -> list[Path]:
        """Files that are not in memory."""
        return [lora.path for lora in loras if not self._shelf.has(self._slot(lora.path))]

    def load(self, path: Path) -> LoraNetwork:
        """A LoRA, from disk if need be. Raises `ModelUnusable` for one that does not fit the model."""
        lora: LoraNetwork = self._shelf.get(self._slot(path), self._user, lambda: self._from_disk(path))
        if path not in self._names:
            self._names[path] = tuple(
                self._fitted(path, component, name, factors)
                for (component, name), factors in zip(lora.places, lora.factors, strict=True)
            )
        return lora

    @contextmanager
    def around(self, components: Collection[str], loras: Sequence[PlannedLora]) -> Iterator[None]:
        """Has these LoRAs count in these components; whatever happens inside, the next step is without."""
        hooks = []
        try:
            for planned in loras:
                lora, names = self.load(planned.path), self._names[planned.path]
                networks = {part: self._parts.module(part) for part in components}
                for (component, _), name, factors in zip(lora.places, names, lora.factors, strict=True):
                    strength = planned.strength_in(component)
                    if component in components and strength:
                        layer = networks[component].get_submodule(name)
                        hooks.append(layer.register_forward_hook(_adding(factors, strength)))
            yield
        finally:
            for hook in hooks:
                hook.remove()

    @contextmanager
    def read_with(
        self, loras: tuple[PlannedLora, ...], beside: Hashable, *readers: TextReader
    ) -> Iterator[None]:
        """Has text encoders read with LoRAs; `readers` remember it as read so, and with what is `beside`."""
        for reader in readers:
            reader.recent.variant = (loras, beside) if loras or beside else ()
        try:
            with self.around(self._parts.text.components, loras):
                yield
        finally:
            for reader in readers:
                reader.recent.variant = ()

    def _slot(self, path: Path) -> Slot:
        return Slot(str(path), str(self._parts.dtype))

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


def _adding(factors: Any, strength: float) -> Callable[[nn.Module, Any, torch.Tensor], torch.Tensor]:
    def hook(layer: nn.Module, inputs: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor:
        added: torch.Tensor = factors(layer, inputs[0], strength)
        return output + added

    return hook


def _unusable(path: Path, model: str, why: str) -> NoReturn:
    raise ModelUnusable(
        f"The LoRA {path.stem!r} does not fit the model {model!r}: {why}. Choose one that was made for it.",
        metadata={"model": path.stem, "path": str(path)},
    )
