"""The pipelines that paint for evaluation and contact sheets, several batches at a time."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from diffusers import (
    AutoencoderTiny,
    StableDiffusionControlNetPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
)
from numpy.typing import NDArray
from PIL import Image

from underpaint.engine.diffusion.comparing import LEVELS, SEED, gain_of
from underpaint.engine.inpaint import (
    MaskSet,
    fill_hole,
    kept_detail,
    mask_bounds,
    match_colors,
    prepare_masks,
)
from underpaint.geometry import mask_plan

from . import control
from .export import (
    AGREEMENT,
    BEST,
    CONTROL_GUIDANCE,
    FILL_GUIDANCE,
    FILL_STRENGTH,
    WORDLESS_FILL_STRENGTH,
    parts,
    scheduler,
)
from .formats import quick
from .latents import wrap
from .render import Picture

BATCH = 6
QUICK = quick(torch.device("cpu"))


class Studio:
    """Stock pipelines on the current best checkpoints, in the quicker format, 256 × 256, ten steps.

    Batches run side by side in threads with one core each, which wastes far less than
    several cores in each operation.
    """

    def __init__(self, *, seamless: bool = False) -> None:
        pipeline, nine = parts()
        pipeline.to(QUICK)
        if seamless:
            wrap(pipeline.unet)
            wrap(pipeline.vae)
        self.vae: AutoencoderTiny = pipeline.vae
        self._tokenizer = pipeline.tokenizer
        self._common: dict[str, Any] = {
            "vae": pipeline.vae, "text_encoder": pipeline.text_encoder,
            "safety_checker": None, "feature_extractor": None,
            "requires_safety_checker": False,
        }  # fmt: skip
        self._four, self._nine = pipeline.unet, nine.to(QUICK)
        self._controls: dict[str, Any] = {}

    def _pipeline(self, kind: Callable[..., Any], sampler: str, **own: Any) -> Any:
        # schedulers and tokenizers (their padding) keep state, so every batch has its own
        mine = {"scheduler": scheduler(sampler), "tokenizer": copy.deepcopy(self._tokenizer)}
        made = kind(**mine, **self._common, **own)
        made.set_progress_bar_config(disable=True)
        return made

    def _encoded(self, picture: NDArray[Any]) -> torch.Tensor:
        """A picture ``[256, 256, 3]``, 0 to 255, as latents ``[1, 4, 32, 32]``, float32."""
        seen = torch.from_numpy(np.asarray(picture, np.float32)).permute(2, 0, 1)[None] / 127.5 - 1
        with torch.no_grad():
            latents = self.vae.encode(seen.to(QUICK)).latents.float()
        return torch.as_tensor(latents * self.vae.config.scaling_factor)

    def _decoded(self, latents: torch.Tensor) -> NDArray[np.float32]:
        """The other way round, 0.0 to 1.0."""
        with torch.no_grad():
            made = self.vae.decode((latents / self.vae.config.scaling_factor).to(QUICK)).sample.float()
        return np.asarray((made[0] / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).numpy(), np.float32)

    def make(
        self, words: Sequence[str], seeds: Sequence[int], *, guidance: float | None = None,
        sampler: str = "", steps: int = 10,
    ) -> list[Picture]:  # fmt: skip
        """A picture for each prompt."""

        def batch(part: slice) -> NDArray[np.float32]:
            pipeline = self._pipeline(StableDiffusionPipeline, _or(sampler), unet=self._four)
            return _images(pipeline(
                list(words[part]), height=256, width=256, num_inference_steps=steps,
                guidance_scale=_guidance(guidance), generator=_generators(seeds[part]),
                output_type="np",
            ))  # fmt: skip

        return _bytes(_side_by_side(batch, len(words)))

    def mend(
        self, words: Sequence[str], pictures: Sequence[Picture], mask: NDArray[np.bool_], *,
        guidance: float = FILL_GUIDANCE, sampler: str = "", seed: int = 0, pasted: bool = False,
        alone: bool = False, steps: int = 10,
    ) -> list[Picture]:  # fmt: skip
        """Each picture with the hole filled, grown, colour-matched and blended in as *Fill* does it.

        `pasted` puts the model's pixels into the hole and nothing else. `alone`: the net begins with noise,
        not with what is around the hole.
        """
        edges = prepare_masks(mask.astype(np.float32), mask_plan(mask_bounds(mask.astype(np.float32)), 1.0))
        repaint = mask if pasted else edges.denoise >= 0.5

        def one(row: int) -> NDArray[np.float32]:
            pipeline = self._pipeline(StableDiffusionInpaintPipeline, _or(sampler), unet=self._nine)
            picture = pictures[row]
            strength = 1.0 if alone else self._strength(words[row], picture, repaint)
            noise = torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(seed + row))
            latents, lost = noise, np.zeros((256, 256, 3), np.float32)
            if strength < 1.0:
                seen = (picture / 255.0).astype(np.float32)
                begins = fill_hole(seen, repaint.astype(np.float32), "continue", 0, strength)
                pipeline.scheduler.set_timesteps(steps)
                first = pipeline.scheduler.timesteps[steps - int(steps * strength)]
                origin = self._encoded(begins * 255)
                latents = pipeline.scheduler.add_noise(origin, noise, first.reshape(1))
                # as underpaint does it: at low strengths what the autoencoder loses comes back
                lost = kept_detail("continue", strength) * (begins - self._decoded(origin))
            made = _images(pipeline(
                words[row], image=Image.fromarray(picture), height=256, width=256, num_inference_steps=steps,
                mask_image=Image.fromarray((repaint * 255).astype(np.uint8)),
                guidance_scale=guidance, strength=strength, latents=latents.to(QUICK), output_type="np",
                callback_on_step_end=_put_back(self._encoded(picture), repaint, noise),
            ))[0]  # fmt: skip
            return np.asarray(np.clip(made + lost, 0.0, 1.0), np.float32)

        with _crew() as crew:
            made = list(crew.map(one, range(len(words))))
        if pasted:
            return [
                np.where(mask[..., None], new, old).astype(np.uint8)
                for new, old in zip(_bytes([np.stack(made)]), pictures, strict=True)
            ]
        return [_blended(new, old, edges) for new, old in zip(made, pictures, strict=True)]

    def agreements(
        self, words: Sequence[str], pictures: Sequence[Picture], mask: NDArray[np.bool_]
    ) -> list[float]:
        """`agreement` for each picture."""
        with _crew() as crew:
            return list(crew.map(lambda word, picture: self.agreement(word, picture, mask), words, pictures))

    def _strength(self, word: str, picture: Picture, repaint: NDArray[np.bool_]) -> float:
        """How much *Fill* changes: little where there is no prompt, or one that says what is there."""
        says_nothing = not word or self.agreement(word, picture, repaint) >= AGREEMENT
        return WORDLESS_FILL_STRENGTH if says_nothing else FILL_STRENGTH

    @torch.no_grad()
    def agreement(self, word: str, picture: Picture, repaint: NDArray[np.bool_]) -> float:
        """What a prompt gains in finding the picture around a hole, as underpaint's engine asks it."""
        tokens = copy.deepcopy(self._tokenizer)(
            ["", word], padding="max_length", truncation=True, return_tensors="pt"
        )
        texts = self._common["text_encoder"](tokens.input_ids)[0]
        clean, grey = self._encoded(picture), self._encoded(np.full_like(picture, 127.5, np.float32))
        known = torch.from_numpy(~repaint.reshape(32, 8, 32, 8).any((1, 3))).float()[None, None]
        noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(SEED))
        ways, gains = [scheduler("ddim"), scheduler("ddim")], []
        for way in ways:
            way.set_timesteps(LEVELS + 1)
        for step in ways[0].timesteps[1:]:
            noisy = ways[0].add_noise(clean, noise, step.reshape(1))
            rows = torch.cat([noisy, torch.ones(1, 1, 32, 32), grey], 1).repeat(2, 1, 1, 1).to(QUICK)
            found = self._nine(rows, step, encoder_hidden_states=texts, return_dict=False)[0].float()
            guesses = [
                way.step(row, step, noisy).pred_original_sample
                for way, row in zip(ways, found.split(1), strict=True)
            ]
            gains.append(gain_of(guesses[0], guesses[1], clean, known))
        return float(np.mean(gains))

    def follow(
        self, kind: str, words: Sequence[str], drawn: Sequence[Picture], seeds: Sequence[int], *,
        guidance: float = CONTROL_GUIDANCE, scale: float = 1.0,
    ) -> list[Picture]:  # fmt: skip
        """A picture for each drawing ``[256, 256, 3]`` of a kind (lines or height)."""
        if kind not in self._controls:
            self._controls[kind] = control.trained(kind).to(QUICK)

        def batch(part: slice) -> NDArray[np.float32]:
            pipeline = self._pipeline(
                StableDiffusionControlNetPipeline, BEST["default_scheduler"], unet=self._four,
                controlnet=self._controls[kind],
            )  # fmt: skip
            return _images(pipeline(
                list(words[part]), image=[Image.fromarray(d) for d in drawn[part]],
                num_inference_steps=10, guidance_scale=guidance, height=256, width=256,
                controlnet_conditioning_scale=scale, generator=_generators(seeds[part]),
                output_type="np",
            ))  # fmt: skip

        return _bytes(_side_by_side(batch, len(words)))


def _put_back(
    true: torch.Tensor, repaint: NDArray[np.bool_], noise: torch.Tensor
) -> Callable[..., dict[str, torch.Tensor]]:
    """What follows each step, as in underpaint: around the hole, the picture's own latents, noised."""
    hole = torch.from_numpy(repaint[::8, ::8].copy())[None, None]

    def after(
        pipeline: Any, step: int, timestep: Any, now: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        # below full strength, steps are counted from the one that it begins with
        at = int((pipeline.scheduler.timesteps == timestep).nonzero()[0])
        ahead = pipeline.scheduler.timesteps[at + 1 : at + 2]
        known = pipeline.scheduler.add_noise(true, noise, ahead) if len(ahead) else true
        return {"latents": torch.where(hole, now["latents"], known.to(QUICK))}

    return after


def _blended(made: NDArray[np.float32], picture: Picture, edges: MaskSet) -> Picture:
    old = (picture / 255.0).astype(np.float32)
    matched = match_colors(made, old, edges.grown, np.ones(edges.grown.shape, np.float32))
    cover = edges.composite[..., None]
    return np.asarray(((matched * cover + old * (1 - cover)) * 255).round(), np.uint8)


def _or(sampler: str) -> str:
    return sampler or str(BEST["default_scheduler"])


def _guidance(wish: float | None) -> float:
    return float(BEST["default_guidance"]) if wish is None else wish


def _generators(seeds: Sequence[int]) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def _images(output: Any) -> NDArray[np.float32]:
    return np.asarray(output.images, np.float32)


def _side_by_side(batch: Callable[[slice], NDArray[np.float32]], count: int) -> list[NDArray[np.float32]]:
    parts = [slice(start, min(count, start + BATCH)) for start in range(0, count, BATCH)]
    with _crew() as crew:
        return list(crew.map(batch, parts))


def _crew() -> ThreadPoolExecutor:
    setup: dict[str, Any] = {"initializer": torch.set_num_threads, "initargs": (1,)}
    return ThreadPoolExecutor(min(4, os.cpu_count() or 1), **setup)


def _bytes(batches: Sequence[NDArray[np.float32]]) -> list[Picture]:
    return [np.asarray((picture * 255).round(), np.uint8) for made in batches for picture in made]
