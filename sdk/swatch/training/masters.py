"""Training in a quick number format with float32 master weights, their average, and checkpoints.

The masters keep small updates from being rounded away where the format is bfloat16.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .muon import Muon
from .paths import cache

State = dict[str, torch.Tensor]


def pick_device(wish: str) -> torch.device:
    """``auto`` takes a GPU when there is one."""
    if wish == "auto":
        wish = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(wish)


class Masters:
    """AdamW on float32 copies of modules in any format, with an exponential average."""

    def __init__(
        self,
        modules: dict[str, nn.Module],
        rate: float,
        *,
        decay: float = 0.01,
        ema: float = 0.998,
        muon: Callable[[str, torch.Tensor], bool] = lambda name, value: False,
        muon_size: float = 0.2,
    ) -> None:
        self.modules = modules
        self.rate, self.ema, self.decay = rate, ema, decay
        self.low: list[torch.Tensor] = []
        self.names: list[str] = []
        for name, module in modules.items():
            for key, parameter in module.named_parameters():
                self.names.append(f"{name}/{key}")
                self.low.append(parameter)
        self.high = [p.detach().float().clone().requires_grad_() for p in self.low]
        self.mean = [p.detach().clone() for p in self.high]
        turned = [muon(n, p) for n, p in zip(self.names, self.high, strict=True)]
        matrices = [p for p, yes in zip(self.high, turned, strict=True) if yes]
        self.muon = Muon(matrices, size=muon_size)
        plain = [p for p, yes in zip(self.high, turned, strict=True) if not yes]
        heavy = [p for p in plain if p.ndim > 1]
        light = [p for p in plain if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": heavy, "weight_decay": decay}, {"params": light, "weight_decay": 0.0}],
            lr=rate,
            betas=(0.9, 0.98),
            fused=True,
        )
        self.steps = 0
        self.lower(self.high)

    def lower(self, values: Iterable[torch.Tensor]) -> None:
        """Put these float32 values into the modules."""
        with torch.no_grad():
            torch._foreach_copy_(self.low, list(values))

    def step(self, factor: float = 1.0, clip: float = 1.0, crew: Executor | None = None) -> float:
        """One update at ``factor`` × the base rate; returns the gradient's norm.

        Threads of ``crew`` share the work on the matrices.
        """
        for high, low in zip(self.high, self.low, strict=True):
            high.grad = None if low.grad is None else low.grad.float()
            low.grad = None
        norm = float(torch.nn.utils.clip_grad_norm_(self.high, clip))
        if norm != norm:  # a batch that overflowed is left out
            return norm
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * factor
        self.optimizer.step()
        self.muon.step(self.rate * factor, self.decay, crew)
        self.steps += 1
        weight = min(self.ema, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            torch._foreach_lerp_(self.mean, self.high, 1 - weight)
        self.lower(self.high)
        return norm

    def _begin(self, weights: dict[str, State]) -> None:
        with torch.no_grad():
            for name, high, mean in zip(self.names, self.high, self.mean, strict=True):
                module, _, key = name.partition("/")
                high.copy_(weights[module][key])
                mean.copy_(high)
        self.lower(self.high)

    def averaged(self) -> dict[str, dict[str, torch.Tensor]]:
        """The averaged weights by module, float32, buffers included."""
        result: dict[str, dict[str, torch.Tensor]] = {}
        means = dict(zip(self.names, self.mean, strict=True))
        for name, module in self.modules.items():
            state = {key: value.detach().float() for key, value in module.state_dict().items()}
            for key in state:
                if f"{name}/{key}" in means:
                    state[key] = means[f"{name}/{key}"].clone()
            result[name] = state
        return result

    def save(self, path: Path, extra: dict[str, Any]) -> None:
        """Write everything needed to go on; the old file stays until the new one is whole."""
        buffers = {name: dict(module.named_buffers()) for name, module in self.modules.items()}
        partial = path.with_suffix(".tmp")
        torch.save(
            {
                "names": self.names, "high": [p.detach() for p in self.high], "mean": self.mean,
                "optimizer": self.optimizer.state_dict(), "steps": self.steps,
                "muon": self.muon.buffers, "buffers": buffers, "averaged": self.averaged(),
                "extra": extra,
            },
            partial,
        )  # fmt: skip
        partial.replace(path)

    def load(self, path: Path) -> dict[str, Any] | None:
        """Go on from a checkpoint if there is one; returns what was saved beside it.

        One that holds weights alone, as `adopt` writes it, is where a new training begins.
        """
        if not path.exists():
            return None
        state = torch.load(path, map_location="cpu", weights_only=False)
        if "names" not in state:
            self._begin(state["averaged"])
            return None
        if state["names"] != self.names:
            raise ValueError(f"{path} belongs to another architecture; move it away to start anew")
        with torch.no_grad():
            for mine, saved in zip(self.high, state["high"], strict=True):
                mine.copy_(saved)
            for mine, saved in zip(self.mean, state["mean"], strict=True):
                mine.copy_(saved)
            for name, module in self.modules.items():
                for key, value in module.named_buffers():
                    value.copy_(state["buffers"][name][key])
        self.optimizer.load_state_dict(state["optimizer"])
        self.muon.buffers = state["muon"]
        self.steps = state["steps"]
        self.lower(self.high)
        extra: dict[str, Any] = state["extra"]
        return extra


def averaged(name: str) -> dict[str, State]:
    """The averaged weights of checkpoint ``<name>.pt``, by module, float32."""
    state = torch.load(cache() / f"{name}.pt", map_location="cpu", weights_only=False)
    result: dict[str, State] = state["averaged"]
    return result
