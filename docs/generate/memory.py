"""What becomes of a job on cards of several sizes: the real broker's choices on simulated devices."""

from __future__ import annotations

import logging
from typing import Final

import structlog

from tests.support.full_size import CARDS, GB, casts
from underpaint.engine.memory.broker import MIN_RESERVE
from underpaint.engine.memory.keeper import KEEP_ALIVE_S
from underpaint.engine.memory.rehearsal import Cast, rehearse
from underpaint.geometry import Size

INTRODUCTION: Final = f"""# Memory

Components (text encoders, denoiser, VAE, control nets, LoRAs) are brought to the graphics card when a step
needs them, and put out of it when another step needs the room. Which ones, a broker decides from what the
card has free at that moment, less a reserve for the host (a sixteenth of the card, {MIN_RESERVE >> 20} MiB
at least; `UNDERPAINT_VRAM_RESERVE_BYTES`), less what the step itself computes with. That is estimated from
the model's configuration, and corrected by what was measured on your card.

When memory runs out even so, the step is taken again after each of these, in this order: free what is only
cached; put out what the step does not use; decode or encode in tiles; leave the denoiser's weights in RAM
and fetch them layer by layer; take fewer jobs at once. Each of them is told in the job's notes. What is
left is the error `OUT_OF_MEMORY`, which says how much was needed, how much there was, and what to change.

Tiles change a picture a little (their VAE's norms see one tile at a time; the tests hold that to 2% on
average, and seams to no more contrast than the rows beside them); all other choices change nothing but the
time it takes.

Models that nobody uses leave memory after {KEEP_ALIVE_S / 60:.0f} minutes (`UNDERPAINT_KEEP_ALIVE`), and
`underpaint models yield` gives the card back at once: [Memory, in the guide to
models](../how-to/models.md#memory).

## What happens on your card

Made by the broker itself on simulated cards, with components of the full models' sizes in bfloat16 and
nobody else on the card: not measured on real ones. A picture from words, one at a time; 64 GB of RAM.

*on the card*: there for as long as the model is used. *on the card until done*: put out when the next part
needs its room, and back when it is its turn. *layer by layer*: weights stay in RAM, which is slower.

On a card of your own, `python -m tests.gpu.memory` in a checkout measures every family through every
operation, full-size networks with random weights in bfloat16 within 24 GB, and SDXL within 8.
"""


def page() -> str:
    """The page."""
    # The broker tells its log of each move; whoever builds the documentation wants its errors only.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    lines = [
        INTRODUCTION,
        "| card | model, picture | text encoders | denoiser | picture decoded | most in use |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for card in CARDS:
        for model, (cast, sizes) in casts().items():
            lines += [_row(card, f"{model}, {size.width} × {size.height}", cast, size) for size in sizes]
    lines += [
        "",
        "Sizes of the components, in GB:",
        "",
        "| model | component | size |",
        "| --- | --- | --- |",
    ]
    for model, (cast, _) in casts().items():
        for part in (*cast.encoders, cast.denoiser, cast.vae):
            lines.append(f"| {model} | {part.name} | {part.nbytes / GB:.2f} |")
    return "\n".join([*lines, ""])


def _row(card: int, what: str, cast: Cast, size: Size) -> str:
    made = rehearse(cast, card << 30, size)
    if made.needed:
        return f"| {card} GB | {what} | – | – | does not fit: {made.needed / GB:.1f} GB are needed | – |"
    decoded = "in one piece" if made.tiles == 1 else f"in {made.tiles} tiles"
    return f"| {card} GB | {what} | {made.encoders} | {made.denoiser} | {decoded} | {made.peak / GB:.1f} GB |"
