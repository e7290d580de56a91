"""FLUX control nets at work: what they add to a transformer's blocks in one step."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from underpaint.engine.controls.nets import network, network_of_file, pictures_of
from underpaint.engine.controls.plan import PlannedControl
from underpaint.engine.controls.shelved import Shelved
from underpaint.engine.diffusion.job import DiffusionTask
from underpaint.engine.flux.describe_net import flux_net_config_of, modes_of
from underpaint.engine.flux.parts import FluxParts
from underpaint.engine.flux.tokens import to_tokens
from underpaint.engine.flux.weighing import all_rolled, token_weights
from underpaint.engine.regions.joint import telling
from underpaint.weights import kinds
from underpaint.weights.flux_nets import COMPONENT

Blocks = list[torch.Tensor]
"""For each block of one kind, `(jobs, tokens, width)`; none where a net has nothing for that kind."""


KINDS = (kinds.CONTROL_NET, kinds.CONTROL_NET_UNION)


class FluxNets(Shelved):
    """The control nets that one model's jobs use: each with the modes that a union net has."""

    part = COMPONENT

    def encode(self, job: DiffusionTask, parts: FluxParts) -> None:
        """Latents of the images that nets read as such; noise is drawn in the stock pipelines' order."""
        current = job.current
        for control in nets_of(job.controls):
            net, _ = self.load(control.folder)
            if net.input_hint_block is None:
                picture = control.pictures[current.size]
                current.control_latents[control] = parts.autoencoder.encode(picture, job.generator)

    def arguments(
        self, jobs: Sequence[DiffusionTask], inputs: Mapping[str, Any], parts: FluxParts
    ) -> dict[str, Any]:
        """What the transformer's call takes besides `inputs`, for jobs of one bucket.

        The nets see the rows with the prompts; without them the transformer is told the same, as in the stock
        pipelines. Several nets add up, each spread over all blocks.
        """
        columns = list(zip(*(nets_of(job.steered_by) for job in jobs), strict=True))
        if not columns:
            return {}
        transformer, _ = parts.network
        rows = len(inputs["hidden_states"]) // len(jobs)
        double: Blocks = []
        single: Blocks = []
        for controls in columns:
            one, other = self._blocks(controls, jobs, inputs, parts)
            net, _ = self.load(controls[0].folder)
            repeats = net.input_hint_block is not None
            double = _added(double, _spread(one, len(transformer.transformer_blocks), repeats=repeats))
            single = _added(single, _spread(other, len(transformer.single_transformer_blocks)))
        return {
            "controlnet_block_samples": [torch.cat([block] * rows) for block in double] or None,
            "controlnet_single_block_samples": [torch.cat([block] * rows) for block in single] or None,
        }

    def _blocks(
        self,
        controls: Sequence[PlannedControl],
        jobs: Sequence[DiffusionTask],
        inputs: Mapping[str, Any],
        parts: FluxParts,
    ) -> tuple[Blocks, Blocks]:
        net, modes = self.load(controls[0].folder)
        # Without the prompts come first.
        own: dict[str, torch.Tensor | None] = {
            name: value[-len(jobs) :]
            for name, value in inputs.items()
            if isinstance(value, torch.Tensor) and not name.endswith("ids")
        }
        # Whether a net takes a guidance scale is its own affair, not the transformer's.
        scales = [job.resolved.guidance_scale for job in jobs]
        own["guidance"] = torch.tensor(scales, device=self._device) if net.config.guidance_embeds else None
        mode = None
        if modes:
            mode = torch.tensor([[modes[one.role]] for one in controls], device=self._device)
        reads = (inputs.get("joint_attention_kwargs") or {}).get("attention_mask")
        blocks = (*net.transformer_blocks, *net.single_transformer_blocks)
        # A union net reads its mode as a word before the others.
        with telling(blocks, None if reads is None else reads[-len(jobs) :], ahead=1 if modes else 0):
            found = net(
                **own,
                controlnet_cond=self._shown(net, controls, jobs, parts).to(self._device, self._dtype),
                controlnet_mode=mode,
                txt_ids=inputs["txt_ids"],
                img_ids=inputs["img_ids"],
                return_dict=False,
            )
        weight = token_weights(controls, jobs, parts)
        double, single = ([_weighed(block, weight) for block in blocks or ()] for blocks in found)
        return double, single

    def _shown(
        self,
        net: Any,
        controls: Sequence[PlannedControl],
        jobs: Sequence[DiffusionTask],
        parts: FluxParts,
    ) -> torch.Tensor:
        if net.input_hint_block is None:
            kept = [job.current.control_latents[one] for one, job in zip(controls, jobs, strict=True)]
            return to_tokens(all_rolled(torch.cat(kept), jobs, 1))
        pixels = 2.0 * pictures_of(controls, jobs[0].current.size) - 1.0
        return all_rolled(pixels, jobs, parts.factor)

    def _from_disk(self, place: Path) -> tuple[Any, Mapping[str, int]]:
        from diffusers.models.controlnets.controlnet_flux import FluxControlNetModel

        if place.is_file():
            config = flux_net_config_of(place)
            net, _ = network_of_file(FluxControlNetModel, self.part, place, config, self._dtype)
        else:
            net, _ = network(FluxControlNetModel, place, self._dtype)
            config = json.loads((place / "config.json").read_text("utf-8"))
        return net, modes_of(place, config)


def nets_of(controls: Sequence[PlannedControl]) -> list[PlannedControl]:
    """Those of some controls that are nets."""
    return [one for one in controls if one.kind in KINDS]


def _weighed(block: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return (block.float() * weight).to(block.dtype)


def _spread(blocks: Blocks, count: int, *, repeats: bool = False) -> Blocks:
    """As many as the transformer has: each for neighbours, or over and over (XLabs' nets)."""
    if not blocks:
        return []
    each = -(-count // len(blocks))
    return [blocks[index % len(blocks) if repeats else index // each] for index in range(count)]


def _added(one: Blocks, other: Blocks) -> Blocks:
    return [a + b for a, b in zip(one, other, strict=True)] if one and other else one or other
