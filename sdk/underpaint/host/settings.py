"""What a person sets in a panel, the same in every host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from underpaint.host.controls import AttachedControl
from underpaint.host.islands import AttachedIslands
from underpaint.host.regions import AttachedRegion
from underpaint.types import GenerateRequest, Lora, Tiling


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Choices that outlive one picture. None and "" mean: the model's default."""

    model: str = ""
    negative_prompt: str = ""
    seed: int | None = None
    steps: int | None = None
    guidance_scale: float | None = None
    scheduler: str = ""
    scheduler_parameters: Mapping[str, float] = field(default_factory=dict)
    preset: str = ""
    strength: float | None = None
    fill_mode: str = ""
    """What a hole holds before the first step, where strength is below 1.0; see `GenerateRequest`."""
    tiling: Tiling = Tiling.NONE
    postprocess: tuple[str, ...] = ()
    controls: tuple[AttachedControl, ...] = ()
    """What the picture keeps to; read from the document when a verb starts."""
    loras: tuple[Lora, ...] = ()
    regions: tuple[AttachedRegion, ...] = ()
    """Parts with prompts of their own, the lowest first; read from the document when a verb starts."""
    islands: AttachedIslands | None = None
    """Where a texture has pixels at all; read when a verb starts. For verbs that paint."""

    def request(self, prompt: str) -> GenerateRequest:
        """A request with these choices; `strength` and what it reads from the document are the verb's."""
        return GenerateRequest(
            prompt=prompt,
            negative_prompt=self.negative_prompt,
            model=self.model,
            seed=self.seed,
            steps=self.steps,
            guidance_scale=self.guidance_scale,
            scheduler=self.scheduler,
            scheduler_parameters=self.scheduler_parameters,
            preset=self.preset,
            tiling=self.tiling,
            postprocess=self.postprocess,
            loras=self.loras,
        )


def title_of(prompt: str, verb: str, limit: int = 48) -> str:
    """A name for layer lists and job lists: the prompt on one line, shortened, or the verb's name."""
    words = " ".join(prompt.split())
    if not words:
        return verb
    return words if len(words) <= limit else words[: limit - 1].rstrip() + "…"
