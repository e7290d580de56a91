"""The autoencoder's decoder alone, refined while the latents stay as every net learnt them."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from . import dataset, vae
from .formats import quick
from .masters import Masters, pick_device
from .paths import cache

CELL = 8
"""Pixels to a latent: the decoder doubles three times, and each doubling can leave a grid."""


def _by_phase(steps: Tensor) -> Tensor:
    """Mean size of ``[b, c, h, w]`` for each of the eight places in a cell, along the last axis."""
    size = steps.abs().mean((0, 1, 2))
    return size[: len(size) // CELL * CELL].reshape(-1, CELL).mean(0)


def grid(made: Tensor, true: Tensor) -> Tensor:
    """How much the steps between neighbours depend on their place in a cell where the truth's do not.

    Both ``[b, 3, h, w]`` in -1..1, their corner on a cell's.
    """
    total = made.new_zeros(())
    for a, b in ((made, true), (made.mT, true.mT)):
        total = total + functional.l1_loss(_by_phase(a.diff(dim=3)), _by_phase(b.diff(dim=3)))
    return total


def train(minutes: float, seed: int, device: str) -> None:
    """Train ``decoder.pt`` for this long in all, counting what earlier runs did."""
    where = pick_device(device)
    torch.manual_seed(seed)
    model = vae.trained(where).to(quick(where))
    decoder = model.decoder.requires_grad_(requires_grad=True).train()
    masters = Masters({"decoder": decoder}, 8e-4, decay=1e-3, ema=0.995, muon=vae.inner, muon_size=0.3)
    path = cache() / "decoder.pt"
    spent = float((masters.load(path) or {}).get("spent", 0.0))
    shards = dataset.load()
    rng = np.random.default_rng((seed, 5, masters.steps))
    encode: Callable[[Tensor], Tensor] = torch.compile(model.encoder)
    decode: Callable[[Tensor], Tensor] = torch.compile(decoder)
    saved = spent
    report: list[tuple[float, float]] = []
    while spent < minutes * 60:
        began, worked, done = time.time(), time.process_time(), spent / (minutes * 60)
        true = vae.crops(rng, shards, vae.BATCH).to(where)
        with torch.no_grad():
            latents = encode(true.to(quick(where))).float()
        latents = latents + torch.rand(len(true), 1, 1, 1, device=where) * 0.14 * torch.randn_like(latents)
        made = decode(latents.to(quick(where))).float()
        value, lattice = vae.loss(made, true), grid(made, true)
        torch.autograd.backward(value + 3.0 * lattice)
        masters.step(min(1.0, (masters.steps + 1) / 60) * min(1.0, max(0.02, (1.0 - done) / 0.6)))
        report.append((float(value.detach()), float(lattice.detach())))
        # neither a pause from outside nor waiting for a busy processor is training
        spent += min(time.time() - began, time.process_time() - worked)
        if masters.steps % 50 == 0:
            whole, part = np.mean(report[-100:], 0)
            print(
                f"decoder step {masters.steps} loss {whole:.4f} grid {part:.4f} done {done:.2f}", flush=True
            )
        if spent - saved > 120:
            masters.save(path, {"spent": spent})
            saved = spent
    masters.save(path, {"spent": spent})
