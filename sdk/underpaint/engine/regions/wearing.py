"""How far the LoRAs of a region count in each layer of a denoiser: W x + m * (what they add), m its share.

A layer over places takes the region's share of each; one over text all of it for the region's own text and
nothing for others; one that sees the picture as a whole (the time's embedding, pooled text) its share of the
area. For the device's one thread.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from underpaint.engine.diffusion.job import DiffusionTask
from underpaint.engine.diffusion.rolling import PATCH, offset, rolled
from underpaint.engine.regions.attention import Asked, levels_of
from underpaint.engine.regions.joint import shares_by_token
from underpaint.engine.regions.reading import shares_of


class ByPlace:
    """For a U-Net whose cross-attentions read each text alone: inside one, a region's own wears its LoRAs."""

    def __init__(self, jobs: Sequence[DiffusionTask], asked: Asked) -> None:
        self._jobs = jobs
        self._asked = asked
        self._levels: dict[int, torch.Tensor] = {}
        self._known: dict[tuple[int, tuple[int, ...]], torch.Tensor] = {}

    def __call__(self, region: int, layer: str, output: torch.Tensor) -> torch.Tensor | float:
        """The factor for one region, counted from 1, for an output `(rows, channels, height, width)`.

        Or `(rows, positions, width)`, or `(rows, width)`.
        """
        if self._asked.text is not None:
            return float(self._asked.text == region)
        places = tuple(output.shape[2:]) if output.ndim == 4 else tuple(output.shape[1:-1])
        key = (region, places)
        if key not in self._known:
            self._known[key] = self._made(region, places).to(output)
        share = self._known[key]
        return torch.cat([share] * (len(output) // len(share)))

    def _made(self, region: int, places: tuple[int, ...]) -> torch.Tensor:
        shares = torch.stack([shares_of(job) for job in self._jobs])
        if len(places) == 2:
            return functional.interpolate(shares[:, region : region + 1], places, mode="area")
        if places:
            self._levels = self._levels or levels_of(shares)
            return self._levels[places[0]][:, region]
        return shares[:, region].mean(dim=(1, 2))[:, None]


class ByRow:
    """For a U-Net that is asked once for each text: a region's rows wear its LoRAs, others do not."""

    def __init__(self, jobs: Sequence[DiffusionTask]) -> None:
        self._jobs = len(jobs)
        self._texts = 1 + (len(jobs[0].regions.prompts) if jobs[0].regions is not None else 0)

    def __call__(self, region: int, layer: str, output: torch.Tensor) -> torch.Tensor:
        """The factor for one region, counted from 1; rows are those of `rows_apart`."""
        texts = torch.arange(len(output), device=output.device) // self._jobs % self._texts
        return (texts == region).to(output.dtype).reshape(-1, *[1] * (output.ndim - 1))


class ByToken:
    """For a transformer that reads texts and picture in one sequence.

    Words behind the texts (of references) belong to the picture as a whole.
    """

    _TEXT = ("context_embedder", "ff_context", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")
    _BOTH = "single_transformer_blocks."

    def __init__(self, jobs: Sequence[DiffusionTask]) -> None:
        self._jobs = jobs
        self._length = 0 if (text := jobs[0].text) is None else text.hidden.shape[1]
        self._pictures = 1 if jobs[0].current.reference_latents is None else 2
        self._known: dict[tuple[int, str, int], torch.Tensor] = {}

    def __call__(self, region: int, layer: str, output: torch.Tensor) -> torch.Tensor:
        """The factor for one region, counted from 1, for `(rows, tokens, width)` or `(rows, width)`."""
        what, tokens = self._what(layer), output.shape[1]
        if output.ndim == 2:
            what, tokens = "whole", 0
        key = (region, what, tokens)
        if key not in self._known:
            shares = [rolled(shares_of(job)[None], offset(job))[0] for job in self._jobs]
            made = [self._sequence(share, region, what, tokens) for share in shares]
            self._known[key] = torch.stack(made).to(output)
        share = self._known[key]
        return torch.cat([share] * (len(output) // len(share)))

    def _what(self, layer: str) -> str:
        if any(name in layer for name in self._TEXT):
            return "text"
        return "both" if layer.startswith(self._BOTH) else "picture"

    def _sequence(self, share: torch.Tensor, region: int, what: str, tokens: int) -> torch.Tensor:
        """`(tokens, 1)`, or `(1,)` where the whole is one."""
        area = share[region].mean()
        if what == "whole":
            return area[None]
        picture = shares_by_token(share, PATCH)[region].repeat(self._pictures)
        if what == "picture":
            return picture[:, None]
        told = torch.arange(len(share) * self._length) // self._length == region
        others = tokens - len(told) - (len(picture) if what == "both" else 0)
        words = torch.cat([told.to(picture), area.repeat(others)])
        return (words if what == "text" else torch.cat([words, picture]))[:, None]
