"""Reference images through FLUX.1's IP-Adapters (XLabs'): keys and values beside those of the picture.

Projection and attention are diffusers' own. As in `underpaint.engine.controls.references`, nothing of it
stays in the transformer. For the device's one thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch

from underpaint.engine.controls.looks import Look, Looks
from underpaint.engine.controls.plan import PlannedControl, Reference
from underpaint.engine.diffusion.job import DiffusionTask
from underpaint.engine.flux.describe_reference import place_of, projected
from underpaint.engine.flux.parts import FluxParts
from underpaint.engine.flux.weighing import token_weights
from underpaint.weights import kinds

_BLACK = np.zeros((8, 8, 3), np.uint8)
"""What stock shows where there is no prompt; the encoder sees one size whatever this is."""


class FluxReferences(Looks):
    """The IP-Adapters that one model's jobs use: each a projection, and a processor for each double block."""

    @contextmanager
    def around(self, transformer: Any, jobs: Sequence[DiffusionTask], parts: FluxParts) -> Iterator[None]:
        """Makes the double blocks look at the references of each job, and only inside.

        The jobs are of one bucket: all have the same adapters in the same order. Rows without the prompts
        look at a black picture, as in the stock pipelines.
        """
        columns = list(zip(*(adapters_of(job.steered_by) for job in jobs), strict=True))
        if not columns:
            yield
            return
        adapters = [self.load(controls[0].folder) for controls in columns]
        tokens = [self._tokens(controls, guided=jobs[0].guided) for controls in columns]
        scales = [self._scale(controls, jobs, parts) for controls in columns]
        kept = []
        try:
            for block, *found in zip(
                transformer.transformer_blocks, *(processors for _, processors in adapters), strict=True
            ):
                kept.append((block.attn, block.attn.processor))
                block.attn.processor = _Seeing(_joined(found, scales), tokens)
            yield
        finally:
            for attention, processor in kept:
                attention.processor = processor

    def _tokens(self, controls: Sequence[PlannedControl], *, guided: bool) -> torch.Tensor:
        """One adapter's tokens for each row, `(rows, tokens, text width)`."""
        looks = [self.look(control) for control in controls]
        nothing = [look.nothing for look in looks] if guided else []
        return torch.cat([*nothing, *(look.picture for look in looks)])

    def _scale(
        self, controls: Sequence[PlannedControl], jobs: Sequence[DiffusionTask], parts: FluxParts
    ) -> torch.Tensor:
        """How much one adapter counts, `(rows, 1, 1)` or `(rows, tokens, 1)`."""
        weight = token_weights(controls, jobs, parts)
        if weight.shape[1] > 1 and jobs[0].current.reference_latents is not None:
            # What Kontext looks at lies on what it paints.
            weight = weight.repeat(1, 2, 1)
        return torch.cat([weight, weight] if jobs[0].guided else [weight]).to(self._dtype)

    def _look(self, adapter: Path, shown: Reference) -> Look:
        projection, _ = self.load(adapter)
        picture, black = (
            self.encoders.encode(shown.encoder, pixels, hidden=False)[0] for pixels in (shown.pixels, _BLACK)
        )
        return Look(projection(picture), projection(black))

    def _from_disk(self, place: Path) -> tuple[Any, list[Any]]:
        from diffusers.models.embeddings import ImageProjection
        from diffusers.models.transformers.transformer_flux import FluxIPAdapterAttnProcessor
        from safetensors import safe_open

        blocks: dict[int, dict[str, torch.Tensor]] = {}
        read: dict[str, torch.Tensor] = {}
        with safe_open(place, framework="pt", device="cpu") as file:
            for name in file.keys():  # noqa: SIM118
                inside, part = place_of(name), projected(name)
                if inside is not None:
                    blocks.setdefault(inside[0], {})[inside[1]] = file.get_tensor(name)
                elif part:
                    read[part.replace("proj.", "image_embeds.")] = file.get_tensor(name)
        width, (outputs, inputs) = len(read["norm.weight"]), read["image_embeds.weight"].shape
        projection = ImageProjection(inputs, width, outputs // width)
        projection.load_state_dict(read)
        processors = []
        for _, state in sorted(blocks.items()):
            hidden, text = state["to_k_ip.0.weight"].shape
            processor = FluxIPAdapterAttnProcessor(hidden, text, (projection.num_image_text_embeds,))
            processor.load_state_dict(state)
            processors.append(processor)
        for network in (projection, *processors):
            network.to(self._dtype).eval().requires_grad_(False)
        return projection, processors


def adapters_of(controls: Sequence[PlannedControl]) -> list[PlannedControl]:
    """Those of some controls that are IP-Adapters."""
    return [one for one in controls if one.kind == kinds.IP_ADAPTER]


class _Seeing:
    """An attention processor that hands diffusers' own the pictures beside the text."""

    def __init__(self, inner: Any, tokens: list[torch.Tensor]) -> None:
        self._inner = inner
        self._tokens = tokens

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        image_rotary_emb: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, ...]:
        seen: tuple[torch.Tensor, ...] = self._inner(
            attn,
            hidden_states,
            encoder_hidden_states,
            attention_mask,
            image_rotary_emb,
            ip_hidden_states=self._tokens,
        )
        return seen


def _joined(processors: Sequence[Any], scales: list[torch.Tensor]) -> Any:
    """One of diffusers' processors with the keys and values of several; shares their weights."""
    # A copy without the modules of the first: the adapters are held for others, too.
    joined = copy(processors[0])
    joined._modules = {}
    joined.scale = scales
    joined.to_k_ip = [one.to_k_ip[0] for one in processors]
    joined.to_v_ip = [one.to_v_ip[0] for one in processors]
    return joined
