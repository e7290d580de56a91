"""The pictures as the U-Net sees them: encoded once, with wrapped edges, and kept.

``latents-N.npy`` holds whole pictures, ``holes-N.npz`` pictures with holes: the target,
the mask on the latent grid and the encoded picture with the hole in mid-grey.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from . import dataset, vae
from .formats import quick
from .holes import hole
from .masters import pick_device
from .paths import cache

Array16 = NDArray[np.float16]
FOREIGN = 6
"""One hole in so many is a patch of another material."""
TRIES = 6
"""Crops that are looked at until one shows both a hole and what is around it."""


def wrap(module: nn.Module) -> None:
    """Make every convolution pad with the other side of the picture."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            part.padding_mode = "circular"


class Encoder:
    """Pictures to latents, in batches, with wrapped edges."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.net = vae.trained(device).encoder.to(quick(device))
        wrap(self.net)

    @torch.no_grad()
    def __call__(self, pictures: NDArray[np.uint8], masks: NDArray[np.bool_] | None) -> Array16:
        """``[n, 256, 256, 3]`` and perhaps ``[n, 256, 256]`` to ``[n, 4, 32, 32]``."""
        out = []
        for start in range(0, len(pictures), 32):
            part = np.asarray(pictures[start : start + 32])
            x = torch.from_numpy(part.copy()).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)
            if masks is not None:
                x = x * torch.from_numpy(~masks[start : start + 32])[:, None]
            x = x.to(self.device, quick(self.device))
            out.append(self.net(x.contiguous()).float().cpu().numpy().astype(np.float16))
        return np.concatenate(out)

    def grey(self) -> Array16:
        """The latent ``[4]`` of plain mid-grey: what a hole encodes to."""
        x = torch.zeros(1, 3, 64, 64, device=self.device, dtype=quick(self.device))
        with torch.no_grad():
            middle = self.net(x)[0, :, 4, 4].float().cpu().numpy()
        return np.asarray(middle, np.float16)


def _put(path: Path, **arrays: NDArray[np.generic]) -> None:
    partial = path.with_suffix(f".{os.getpid()}.tmp")
    with partial.open("wb") as out:
        np.savez(out, **arrays)  # type: ignore[arg-type]
    partial.replace(path)


def _holes(encoder: Encoder, seed: int, number: int, count: int) -> None:
    """One in `FOREIGN` is a patch of its material in another one, the rest holes in one material."""
    folder = cache() / "latents"
    pictures = np.load(cache() / "pictures" / f"shard-{number:04d}.npy", mmap_mode="r")
    whole = np.load(folder / f"latents-{number:04d}.npz")["latents"]
    rng = np.random.default_rng((seed, 99, number))
    rows = rng.permutation(len(pictures))[:count]
    masks = np.stack([hole(rng) for _ in rows])
    chosen = np.stack([pictures[row] for row in rows])
    target = whole[rows].copy()
    foreign = np.arange(count) % FOREIGN == 0
    others = np.stack([pictures[int(rng.integers(len(pictures)))] for _ in range(foreign.sum())])
    inside = masks[foreign][..., None]
    chosen[foreign] = np.where(inside, chosen[foreign], others)
    target[foreign] = encoder(chosen[foreign], None)
    masked = encoder(chosen, masks)
    # pipelines shrink a mask by taking the first pixel of every eight
    small = masks[:, ::8, ::8]
    made = {"rows": rows, "target": target, "masked": masked, "mask": small, "foreign": foreign}
    _put(folder / f"holes-{number:04d}.npz", **made)


def build(shards: int, with_holes: int, seed: int, device: str, count: int) -> None:
    """Encode every missing shard, then ``count`` holes for each of ``with_holes`` shards."""
    encoder = Encoder(pick_device(device))
    folder = cache() / "latents"
    folder.mkdir(exist_ok=True)
    np.save(folder / "grey.npy", encoder.grey())
    for number in range(shards):
        target = folder / f"latents-{number:04d}.npz"
        if not target.exists():
            pictures = np.load(cache() / "pictures" / f"shard-{number:04d}.npy", mmap_mode="r")
            _put(target, latents=encoder(pictures, None))
            print(f"encoded shard {number}", flush=True)
        if number < with_holes and not (folder / f"holes-{number:04d}.npz").exists():
            _holes(encoder, seed, number, count)
            print(f"cut holes in shard {number}", flush=True)


def _with_border(stack: Tensor, size: int, rng: np.random.Generator) -> Tensor:
    """A crop of a wrapping ``[9, 32, 32]`` whose fifth channel, the mask, is neither full nor empty.

    A crop that lies within its hole teaches nothing of what is around one.
    """
    for _ in range(TRIES):
        dy, dx = (int(v) for v in rng.integers(0, 32, 2))
        crop = torch.roll(stack, (dy, dx), (1, 2))[:, :size, :size]
        if 0.1 < float(crop[4].mean()) < 0.8:
            break
    return crop


class Pool:
    """All encoded pictures in memory, drawn at random and rolled by whole latents."""

    def __init__(self) -> None:
        folder = cache() / "latents"
        paths = sorted(folder.glob("latents-*.npz"))
        read = dataset.load_labels()
        numbers = [int(path.stem.split("-")[1]) for path in paths]
        self.whole = torch.from_numpy(np.concatenate([np.load(p)["latents"] for p in paths]))
        self.labels = np.concatenate([read[number] for number in numbers])
        self.grey = torch.from_numpy(np.load(folder / "grey.npy")).float()
        cut = [(int(p.stem.split("-")[1]), np.load(p)) for p in sorted(folder.glob("holes-*.npz"))]
        self.holed = len(cut) > 0
        if self.holed:
            self.hole_labels = np.concatenate([read[n][part["rows"]] for n, part in cut])
            self.target = torch.from_numpy(np.concatenate([part["target"] for _, part in cut]))
            self.masked = torch.from_numpy(np.concatenate([part["masked"] for _, part in cut]))
            self.mask = torch.from_numpy(np.concatenate([part["mask"] for _, part in cut]))[:, None]
            self.foreign = np.concatenate([part["foreign"] for _, part in cut])

    def draw(
        self, rng: np.random.Generator, count: int, holes: int, size: int
    ) -> tuple[Tensor, Tensor, NDArray[np.int16], NDArray[np.bool_]]:
        """Targets ``[count, 4, size, size]``, conditions ``[count, 5, size, size]`` (mask and
        masked picture), labels, and which of them only words can tell; the first ``holes`` have
        holes."""
        grey = torch.cat([torch.ones(1), self.grey])[:, None, None].expand(5, size, size)
        targets, conditions, labels, untold = [], [], [], np.ones(count, np.bool_)
        for k in range(count):
            dy, dx = (int(v) for v in rng.integers(0, 32, 2))
            if k < holes:
                row = int(rng.integers(len(self.target)))
                stack = torch.cat([self.target[row], self.mask[row], self.masked[row]]).float()
                stack = _with_border(stack, size, rng)
                targets.append(stack[:4])
                conditions.append(stack[4:])
                labels.append(self.hole_labels[row])
                untold[k] = self.foreign[row]
            else:
                row = int(rng.integers(len(self.whole)))
                picture = torch.roll(self.whole[row].float(), (dy, dx), (1, 2))
                targets.append(picture[:, :size, :size])
                conditions.append(grey)
                labels.append(self.labels[row])
        return torch.stack(targets), torch.stack(conditions), np.stack(labels), untold
