"""Reference images through IP-Adapters (Ye et al. 2023): keys and values beside those of the text.

Projection, attention and the files' names are diffusers' own. Nothing of it stays in the denoiser: the
attention processors are there for one forward pass. Others that delegate to the processor that they find,
and are installed inside `References.around`, keep working. For the device's one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any

import torch

from underpaint.engine.controls.looks import Look, Looks
from underpaint.engine.controls.places import Weights, attentions, counting
from underpaint.engine.controls.plan import PlannedControl, Reference
from underpaint.engine.residency import Shelf
from underpaint.geometry import Size

_Adapter = tuple[Any, list[Any], dict[str, Any]]
"""Projection, diffusers' IP processors with this adapter's keys and values, and these by their attention."""


class References(Looks):
    """The IP-Adapters that one model's jobs use.

    `unet` gives the denoiser, loaded if need be: its shape says where an adapter's tensors belong.
    """

    def __init__(
        self, shelf: Shelf, user: str, device: str, dtype: torch.dtype, unet: Callable[[], Any]
    ) -> None:
        super().__init__(shelf, user, device, dtype)
        self._unet = unet

    @contextmanager
    def around(
        self,
        unet: Any,
        jobs: Sequence[Sequence[PlannedControl]],
        size: Size,
        cells: tuple[int, int],
        *,
        blind: int,
        prompts: int = 1,
    ) -> Iterator[None]:
        """Makes a denoiser's cross-attentions look at the references of each job, and only inside.

        `jobs` are the references of each job in this step, all with the same adapters in the same order, in
        a pass of `size` whose latents have `cells` (height, width). Of the rows `blind` for each job come
        first, those without the prompts, which look at nothing; then `prompts` for each, with them.
        """
        if not jobs[0]:
            yield
            return
        columns = list(zip(*jobs, strict=True))
        adapters: list[_Adapter] = [self.load(controls[0].folder) for controls in columns]
        tokens = [self._tokens(controls, blind, prompts) for controls in columns]
        weigh = Weights(columns, size, cells, rows=blind + prompts, device=self._device)
        kept = {}
        try:
            for name, attention in attentions(unet):
                counts = [[counting(unet, one.role, name) for one in controls] for controls in columns]
                used = [index for index, row in enumerate(counts) if any(row)]
                if not used:
                    continue
                found = [adapters[index][2][f"{name}.processor"] for index in used]
                weights = partial(weigh.at, used, [counts[index] for index in used])
                kept[attention] = attention.processor
                attention.processor = _Seeing(_joined(found), [tokens[index] for index in used], weights)
            yield
        finally:
            for attention, processor in kept.items():
                attention.processor = processor

    def _tokens(self, controls: Sequence[PlannedControl], blind: int, prompts: int) -> torch.Tensor:
        """One adapter's tokens for each row: `(rows, 1, tokens, text width)`."""
        looks = [self.look(control) for control in controls]
        return torch.cat(
            [*[look.nothing for look in looks] * blind, *[look.picture for look in looks] * prompts]
        )[:, None]

    def _look(self, adapter: Path, shown: Reference) -> Look:
        from diffusers.models.embeddings import ImageProjection

        projection, _, _ = self.load(adapter)
        hidden = not isinstance(projection, ImageProjection)
        picture, nothing = self.encoders.encode(shown.encoder, shown.pixels, hidden=hidden)
        return Look(projection(picture), projection(nothing))

    def _from_disk(self, place: Path) -> _Adapter:
        from safetensors import safe_open

        parts: dict[str, dict[str, torch.Tensor]] = {"image_proj": {}, "ip_adapter": {}}
        with safe_open(place, framework="pt", device="cpu") as file:
            for name in file.keys():  # noqa: SIM118
                part, _, inside = name.partition(".")
                if part in parts:
                    parts[part][inside] = file.get_tensor(name)
        unet, low = self._unet(), {"low_cpu_mem_usage": False}
        projection = unet._convert_ip_adapter_image_proj_to_diffusers(parts["image_proj"], **low)
        made = unet._convert_ip_adapter_attn_to_diffusers([parts], **low)
        processors = {name: one for name, one in made.items() if isinstance(one, torch.nn.Module)}
        for network in (projection, *processors.values()):
            network.to(self._dtype).eval().requires_grad_(False)
        return projection, list(processors.values()), processors


class _Seeing:
    """An attention processor that hands diffusers' own the pictures beside the text."""

    def __init__(
        self, inner: Any, tokens: list[torch.Tensor], weights: Callable[[int], list[torch.Tensor]]
    ) -> None:
        self._inner = inner
        self._tokens = tokens
        self._weights = weights

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        temb: torch.Tensor | None = None,
    ) -> torch.Tensor:
        seen: torch.Tensor = self._inner(
            attn,
            hidden_states,
            (encoder_hidden_states, self._tokens),
            attention_mask,
            temb,
            ip_adapter_masks=self._weights(hidden_states.shape[1]),
        )
        return seen


def _joined(processors: Sequence[Any]) -> Any:
    """One of diffusers' IP processors with the keys and values of several; shares their weights."""
    if len(processors) == 1:
        return processors[0]
    # A copy without the modules of the first: making a new one for each attention takes longer than a step.
    joined = copy(processors[0])
    joined._modules = {}
    joined.num_tokens = [one.num_tokens[0] for one in processors]
    joined.scale = [1.0] * len(processors)
    joined.to_k_ip = [one.to_k_ip[0] for one in processors]
    joined.to_v_ip = [one.to_v_ip[0] for one in processors]
    return joined
