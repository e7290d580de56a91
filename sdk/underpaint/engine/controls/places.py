"""Where in a U-Net a reference counts, and how much at each cell of a cross-attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch.nn import functional

from underpaint.engine.controls.describe import SIZES
from underpaint.engine.controls.describe_reference import COMPOSITION, STYLE
from underpaint.engine.controls.plan import PlannedControl
from underpaint.geometry import Size

_CROSS = "attn2"
_found: WeakKeyDictionary[Any, list[tuple[str, Any]]] = WeakKeyDictionary()


def attentions(unet: Any) -> list[tuple[str, Any]]:
    """The cross-attentions of a U-Net by name. Looked for once: a network has thousands of parts."""
    found = _found.get(unet)
    if found is None:
        parts = unet.named_modules()
        found = [(name, module) for name, module in parts if name.rpartition(".")[2] == _CROSS]
        _found[unet] = found
    return found


def counting(unet: Any, role: str, name: str) -> bool:
    """Whether an image in this role is looked at in the attention of this name.

    InstantStyle (Wang et al. 2024): style is decided at the beginning of the way up, composition at the end
    of the way down. In SDXL that is one attention each, `up_blocks.0.attentions.1` and
    `down_blocks.2.attentions.1`; in Stable Diffusion 1.5 whole blocks, `up_blocks.1`, and `down_blocks.2`
    with the middle.
    """
    if role not in (STYLE, COMPOSITION):
        return True
    one = unet.config.addition_embed_type == SIZES
    if role == STYLE:
        block = next(i for i, block in enumerate(unet.up_blocks) if hasattr(block, "attentions"))
        return name.startswith(f"up_blocks.{block}.attentions.{1 if one else ''}")
    block = max(i for i, block in enumerate(unet.down_blocks) if hasattr(block, "attentions"))
    last = f"{len(unet.down_blocks[block].attentions) - 1}." if one else ""
    down = name.startswith(f"down_blocks.{block}.attentions.{last}")
    return down or (not one and name.startswith("mid_block."))


class Weights:
    """How much references count at each cell of a cross-attention, in one step.

    `columns` holds, for each adapter, the reference of each job. `cells` are the latents' height and width;
    each block on the way down halves them, rounding up.
    """

    def __init__(
        self,
        columns: Sequence[Sequence[PlannedControl]],
        size: Size,
        cells: tuple[int, int],
        *,
        rows: int,
        device: str,
    ) -> None:
        self._columns = columns
        self._size = size
        self._cells = cells
        self._rows = rows
        self._device = device
        self._made: dict[tuple[int, tuple[bool, ...], int], torch.Tensor] = {}

    def at(self, used: Sequence[int], counts: Sequence[Sequence[bool]], count: int) -> list[torch.Tensor]:
        """For each of some adapters `(rows * jobs, 1, count, 1)`, at an attention with so many cells.

        `counts` says of each which jobs' references count there. One cell in a row is a shape that diffusers'
        processor takes as it is: of any other it would have to guess the height.
        """
        return [self._one(index, tuple(row), count) for index, row in zip(used, counts, strict=True)]

    def _one(self, index: int, counts: tuple[bool, ...], count: int) -> torch.Tensor:
        key = (index, counts, count)
        if key not in self._made:
            height, width = self._block(count)
            flat = []
            for control, counted in zip(self._columns[index], counts, strict=True):
                strength = control.strength if counted else 0.0
                if control.masks is None:
                    flat.append(torch.full((count,), strength))
                else:
                    flat.append(strength * _shrunk(control.masks[self._size], height, width).flatten())
            self._made[key] = torch.stack(flat * self._rows)[:, None, :, None].to(self._device)
        return self._made[key]

    def _block(self, count: int) -> tuple[int, int]:
        height, width = self._cells
        while height * width > count:
            height, width = -(-height // 2), -(-width // 2)
        assert height * width == count, "blocks of a U-Net halve their latents"
        return height, width


def _shrunk(mask: Any, height: int, width: int) -> torch.Tensor:
    """A mask in an attention's cells: a binary one sampled as the stock pipelines do, a soft one averaged."""
    pixels = torch.from_numpy(np.ascontiguousarray(mask, np.float32))[None, None]
    if bool(((pixels == 0.0) | (pixels == 1.0)).all()):
        return functional.interpolate(pixels, (height, width), mode="bicubic")
    return functional.interpolate(pixels, (height, width), mode="area")
