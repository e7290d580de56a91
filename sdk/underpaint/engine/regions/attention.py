"""Prompts that count in parts of a picture, where text reaches a denoiser through cross-attention only.

Each position asks the texts of all prompts, each alone, and takes the answers in proportion to their shares
of the place. Where one prompt has everything, that is what it alone would have said there: the same as one
attention over all texts with those of other places masked. For the device's one thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional


class Asked:
    """Which text cross-attentions are reading, for what has to differ with it."""

    def __init__(self) -> None:
        self.text: int | None = None
        """0 is the call's own, then come the regions'; None outside of a cross-attention."""


@contextmanager
def attending(
    unet: nn.Module,
    texts: Sequence[torch.Tensor],
    shares: torch.Tensor,
    first: int,
    asked: Asked | None = None,
) -> Iterator[None]:
    """Within, calls of `unet` read the regions' texts beside their own; whatever happens, not afterwards.

    `texts`: one for each region, `(jobs, tokens, width)`. `shares`: `(jobs, 1 + regions, height, width)` in
    latent cells, that of the call's own text first; they add up to 1.0. `first`: the row of the call in which
    the first job's prompt stands; rows before it are left alone. Whatever processors are installed, they
    work on, once for each text; `asked` knows for which.
    """
    levels, asked = levels_of(shares), asked or Asked()

    def read_own(module: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        if kwargs.get("encoder_hidden_states") is not None:
            asked.text = 0

    def read_more(module: nn.Module, args: Any, kwargs: dict[str, Any], output: torch.Tensor) -> torch.Tensor:
        if kwargs.get("encoder_hidden_states") is None:
            return output
        share = levels[output.shape[1]].to(output.dtype)
        mixed = output[first:] * share[:, 0]
        for index, text in enumerate(texts, 1):
            # Rows without the prompts are asked too, in vain: a processor may count on there being as many.
            told = torch.cat([text] * (len(output) // len(text)))
            asked.text = index
            answer: torch.Tensor = module.forward(*args, **{**kwargs, "encoder_hidden_states": told})
            mixed = mixed + answer[first:] * share[:, index]
        asked.text = None
        return torch.cat([output[:first], mixed])

    with ExitStack() as stack:
        for name, module in unet.named_modules():
            if name.endswith(".attn2"):
                before = module.register_forward_pre_hook(read_own, with_kwargs=True)
                after = module.register_forward_hook(read_more, with_kwargs=True)
                stack.callback(before.remove)
                stack.callback(after.remove)
        yield


def levels_of(shares: torch.Tensor) -> dict[int, torch.Tensor]:
    """Shares `(jobs, texts, positions, 1)` by the number of positions, for each size a U-Net works at."""
    levels = {}
    height, width = shares.shape[2:]
    while True:
        at = functional.interpolate(shares, (height, width), mode="area")
        levels[height * width] = at.flatten(2)[..., None]
        if height == width == 1:
            return levels
        height, width = -(-height // 2), -(-width // 2)
