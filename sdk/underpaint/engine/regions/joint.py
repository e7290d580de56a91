"""Prompts that count in parts of a picture, for a transformer that reads text and picture in one sequence.

All texts stand one behind the other. A text reads itself and the picture where it has a share; the picture
reads all of itself, and of the texts those that have a share of the place. A bias of log(share) is a mask
where shares are 0 or 1; between, a text counts for its share of what it would have counted for alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional


def shares_by_token(shares: torch.Tensor, patch: int) -> torch.Tensor:
    """Shares `(texts, h, w)` in latent cells as `(texts, tokens)`, a token for `patch` x `patch` cells."""
    return functional.avg_pool2d(shares, patch).flatten(1)


def bias(shares: Sequence[torch.Tensor], length: int, pictures: int) -> torch.Tensor:
    """What attention adds to its scores, `(rows, 1, n, n)`, n the length of the sequence.

    `shares`: for each row those of its texts, `(texts, tokens)`; for each token of the picture they add up to
    1.0. `length`: tokens of one text. `pictures`: how many pictures of so many tokens follow on the texts;
    those that are only looked at lie where the first one does.
    """
    texts, tokens = shares[0].shape
    words = texts * length
    whole = words + pictures * tokens
    owner = torch.arange(words, device=shares[0].device) // length
    made = torch.zeros((len(shares), 1, whole, whole), device=shares[0].device)
    made[:, :, :words, :words].masked_fill_(owner[:, None] != owner[None], float("-inf"))
    for row, share in enumerate(shares):
        weight = share.log()[owner].repeat(1, pictures)
        made[row, 0, :words, words:] = weight
        made[row, 0, words:, :words] = weight.T
    return made


@contextmanager
def telling(blocks: Iterable[nn.Module], reads: torch.Tensor | None, *, ahead: int) -> Iterator[None]:
    """Within, blocks of a network that has no argument for it attend as `reads` says, see `bias`.

    `ahead`: tokens that the network puts before the texts, which all others read.
    """
    with ExitStack() as stack:
        if reads is not None:
            whole = functional.pad(reads, (ahead, 0, ahead, 0))

            def tell(_: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
                return args, {**kwargs, "joint_attention_kwargs": {"attention_mask": whole}}

            for block in blocks:
                handle = block.register_forward_pre_hook(tell, with_kwargs=True)
                stack.callback(handle.remove)
        yield
