"""A model's components, in folders or in one file: configurations at once, weights when they are needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from underpaint.engine.diffusion.pace import Pace
from underpaint.engine.diffusion.single_file import load_network
from underpaint.engine.families.single_file import CONFIG
from underpaint.engine.memory.broker import Broker
from underpaint.engine.provenance import weight_files
from underpaint.engine.residency import Shelf, Slot
from underpaint.engine.tiling import Wrap


class Components:
    """Folders or one file by component's name, and what of them is in memory for one model.

    `config`, `folder` and `weights`: any thread. All others belong to the device's one thread.
    """

    def __init__(
        self, folders: Mapping[str, Path], model: str, shelf: Shelf, device: str, dtype: str
    ) -> None:
        self.model = model
        self.device = device
        """Where the networks are, as torch names it."""
        self.dtype: torch.dtype = getattr(torch, dtype)
        """The number format that the networks compute in."""
        self._folders = folders
        self.pace = Pace()
        """How reading prompts is cut into steps; one for all components of a family."""
        self._beside: dict[str, tuple[str, ...]] = {}
        self._shelf = shelf

    @property
    def broker(self) -> Broker:
        """Who places them."""
        return self._shelf.broker

    def folder(self, component: str) -> Path:
        """Where a component lies."""
        return self._folders[component]

    def config(self, component: str, file: str = "config.json") -> Mapping[str, Any]:
        """A component's configuration."""
        place = self._folders[component]
        home = self._folders[CONFIG] / component if place.is_file() else place
        content: Mapping[str, Any] = json.loads((home / file).read_text("utf-8"))
        return content

    def padding(self, tokenizer: str) -> str:
        """The word that fills up short texts, where a model of one file says so; "" for the tokenizer's."""
        file = self._folders[CONFIG] / tokenizer / "tokenizer_config.json"
        if not file.is_file():
            return ""
        pad = json.loads(file.read_text("utf-8")).get("pad_token", "")
        return str(pad.get("content", "") if isinstance(pad, dict) else pad)

    def weights(self, component: str) -> dict[str, Path]:
        """A component's weight files, by their path inside the model."""
        return {f"{component}/{path.name}": path for path in weight_files(self._folders[component])}

    def made_with(self, component: str, *others: str) -> None:
        """A component as it is held contains these, too: a text encoder its tokenizer."""
        self._beside[component] = others

    def has(self, component: str, dtype: torch.dtype | None = None) -> bool:
        """Whether a component is in memory; `dtype` where it is not the model's own."""
        return self._shelf.has(self._slot(component, dtype))

    def get(self, component: str, load: Callable[[], Any], dtype: torch.dtype | None = None) -> Any:
        """A component on the device; `load` makes it, on the CPU, if it is in no memory.

        Raises `ModelUnusable` where it cannot be read.
        """
        return self._shelf.get(self._slot(component, dtype), self.model, load)

    def brings(self, component: str) -> bool:
        """Whether the model comes with a component."""
        return component in self._folders

    def network(self, component: str, kind: Any, dtype: torch.dtype | None = None) -> tuple[Any, Wrap]:
        """A diffusers network of the class `kind`, ready to run, and the switch for its edges."""
        held: tuple[Any, Wrap] = self.get(component, self._loader(component, kind, dtype), dtype)
        return held

    def spare_network(
        self, component: str, kind: Any, computing: int, config: Mapping[str, Any]
    ) -> tuple[Any, Wrap] | None:
        """The same of one that may be done without, of this configuration; see `Shelf.spare`."""
        load = self._loader(component, kind, None, config)
        held: tuple[Any, Wrap] | None = self._shelf.spare(
            self._slot(component, None), self.model, load, computing
        )
        return held

    def _loader(
        self,
        component: str,
        kind: Any,
        dtype: torch.dtype | None,
        config: Mapping[str, Any] | None = None,
    ) -> Callable[[], tuple[Any, Wrap]]:
        folder = self._folders[component]

        def load() -> tuple[Any, Wrap]:
            if folder.is_file():
                told = self.config(component) if config is None else config
                network = load_network(kind, component, folder, told, dtype or self.dtype)
            else:
                network = kind.from_pretrained(
                    folder,
                    use_safetensors=True,
                    local_files_only=True,
                    variant=weight_variant(folder),
                    torch_dtype=dtype or self.dtype,
                )
            # The broker brings it to the device.
            network = network.eval().requires_grad_(False)
            return network, Wrap(network)

        return load

    def _slot(self, component: str, dtype: torch.dtype | None) -> Slot:
        place = self._folders[component]
        beside = [str(self._folders[other]) for other in self._beside.get(component, ())]
        if not place.is_file():
            return Slot(str(place), str(dtype or self.dtype), beside=tuple(beside))
        if CONFIG in self._folders:
            beside.append(str(self._folders[CONFIG] / component))
        return Slot(str(place), str(dtype or self.dtype), component, tuple(beside))


def weight_variant(folder: Path) -> str | None:
    """The precision in the weight files' names, where there is no plain file."""
    for path in weight_files(folder):
        for variant in ("fp16", "bf16"):
            if f".{variant}." in path.name:
                return variant
    return None
