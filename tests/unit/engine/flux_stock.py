"""The stock FLUX.1 pipelines, for what `tests.unit.engine.stock` runs on our side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from PIL import Image

from tests.unit.engine.stock import Case, disc, photo

KINDS = {
    "txt2img": diffusers.FluxPipeline,
    "img2img": diffusers.FluxImg2ImgPipeline,
    "inpaint": diffusers.FluxInpaintPipeline,
    "edit": diffusers.FluxKontextPipeline,
}


class FluxStock:
    """diffusers' own pipeline for one model and operation, with one of its schedulers."""

    def __init__(self, folder: Path, operation: str) -> None:
        kind = KINDS[operation]
        if operation == "inpaint":
            named = {"fill": diffusers.FluxFillPipeline, "kontext": diffusers.FluxKontextInpaintPipeline}
            kind = named.get(folder.name.removeprefix("flux-"), kind)
        self.pipeline = kind.from_pretrained(folder)
        self.pipeline.set_progress_bar_config(disable=True)
        self.operation = operation
        self.looks = "Kontext" in kind.__name__
        self.embedded = bool(self.pipeline.transformer.config.guidance_embeds)

    def both(self, case: Case, **given: Any) -> tuple[torch.Tensor, np.ndarray]:
        """The last latents, unpacked, and the picture, u8; `given` goes to the pipeline as well."""
        size = (case.width, case.height)
        more: dict[str, Any] = given
        if self.operation != "txt2img":
            more["image"] = Image.fromarray(photo(*size))
        if self.operation in ("img2img", "inpaint"):
            more["strength"] = case.strength
        if self.operation == "inpaint":
            more["mask_image"] = Image.fromarray(disc(*size, radius=case.mask))
        if self.looks:
            # Else it paints a million pixels, and looks at a picture of that size.
            more |= {"max_area": case.width * case.height, "_auto_resize": False}
        if not self.embedded and case.negative:
            more |= {"negative_prompt": case.negative, "true_cfg_scale": case.guidance}
        seen: list[torch.Tensor] = []

        def keep(_pipeline: Any, _step: int, _time: Any, values: dict[str, Any]) -> dict[str, Any]:
            seen.append(values["latents"])
            return {}

        pictures = self.pipeline(
            prompt=case.prompt,
            width=case.width,
            height=case.height,
            num_inference_steps=case.steps,
            guidance_scale=case.guidance,
            generator=torch.Generator().manual_seed(case.seed),
            callback_on_step_end=keep,
            max_sequence_length=512 if self.embedded else 256,
            **more,
        ).images
        latents = self.pipeline._unpack_latents(
            seen[-1], case.height, case.width, self.pipeline.vae_scale_factor
        )
        return latents, np.asarray(pictures[0])
