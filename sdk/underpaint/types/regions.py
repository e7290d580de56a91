"""Parts of a picture with prompts of their own."""

from __future__ import annotations

from dataclasses import dataclass

from underpaint.types.controls import Control
from underpaint.types.loras import Lora
from underpaint.types.pixels import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A part of a picture with a prompt of its own.

    Regions lie over one another like layers: a later one covers an earlier one, and what none covers follows
    the request's prompt. One that covers nothing of the picture is left out, and a note says so.
    """

    mask: Image
    """Where it lies: one channel, with its own place on the canvas, 0 outside of it.

    1 = wholly, between = mix with what lies beneath."""
    prompt: str
    """What to paint there, in place of the request's prompt."""
    strength: float = 1.0
    """How far the prompt takes the place of what lies beneath, 0.0 to 1.0."""
    controls: tuple[Control, ...] = ()
    """Images that this part keeps to; their masks are the region's, so they have none of their own."""
    negative_prompt: str = ""
    """What to avoid there, in place of the request's; "": as everywhere."""
    loras: tuple[Lora, ...] = ()
    """What changes the model in this part alone, beside the request's own LoRAs.

    `<lora:NAME:STRENGTH>` in `prompt` adds to them. With the request's own at most 16."""
