"""The autoencoder: `AutoencoderTiny`, 8 pixels to a latent, 4 channels of unit variance."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import torch
from diffusers import AutoencoderTiny
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from . import dataset
from .formats import quick
from .masters import Masters, averaged, pick_device
from .materials import SIZE
from .paths import cache

CROP, BATCH = 80, 16


def new() -> AutoencoderTiny:
    """Untrained; 0.9 M parameters, no blocks at full resolution, which would double the time."""
    return AutoencoderTiny(
        encoder_block_out_channels=(48,) * 4,
        decoder_block_out_channels=(48,) * 4,
        num_encoder_blocks=(0, 1, 2, 3),
        num_decoder_blocks=(3, 3, 1, 0),
        latent_channels=4,
    )


class Norm(nn.Module):
    """Latents to zero mean and unit variance by channel; folded into the encoder at export."""

    mean: Tensor
    var: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("var", torch.ones(4))

    def forward(self, latents: Tensor) -> Tensor:
        """``[b, 4, h, w]`` to the same shape."""
        latents = latents.float()
        if self.training:
            # a slow average and not the batch's own: a few crops have a colour in common,
            # and taking it away would leave the decoder to guess it
            with torch.no_grad():
                self.mean.lerp_(latents.mean((0, 2, 3)), 0.02)
                spread = (latents - self.mean[:, None, None]).square().mean((0, 2, 3))
                self.var.lerp_(spread, 0.02)
        return (latents - self.mean[:, None, None].clone()) / self.var[:, None, None].sqrt()


def crops(rng: np.random.Generator, shards: list[NDArray[np.uint8]], count: int) -> Tensor:
    """Random crops ``[count, 3, CROP, CROP]`` in -1..1: pictures, seams between two of
    them, grey holes as inpainting cuts them, and permuted colours."""
    out = np.empty((count, CROP, CROP, 3), np.uint8)

    def one() -> NDArray[np.uint8]:
        shard = shards[int(rng.integers(len(shards)))]
        y, x = rng.integers(0, SIZE - CROP + 1, 2)
        return np.array(shard[int(rng.integers(len(shard))), y : y + CROP, x : x + CROP])

    for k in range(count):
        crop = one()
        dice = rng.random()
        a, b = np.sort(rng.integers(0, CROP, 2))
        c, d = np.sort(rng.integers(0, CROP, 2))
        if dice < 0.10:
            crop[a:b, c:d] = 127
        elif dice < 0.22:
            crop[a:b, c:d] = one()[a:b, c:d]
        if rng.random() < 0.35:  # keeps every colour axis alive: see the model card
            crop = crop[..., rng.permutation(3)]
        out[k] = crop
    return torch.from_numpy(out).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


def _spectrum(x: Tensor) -> Tensor:
    """Log amplitudes of Hann-windowed 16 × 16 blocks, every 8 pixels."""
    window = torch.hann_window(16, periodic=False, device=x.device)
    blocks = x.unfold(2, 16, 8).unfold(3, 16, 8) * (window[:, None] * window)
    return torch.log(torch.fft.rfft2(blocks).abs() + 0.08)


def loss(made: Tensor, true: Tensor) -> Tensor:
    """Pixels, edges at three sizes, grain, and colour; pictures in -1..1."""
    total = functional.l1_loss(made, true)
    total = total + 0.10 * functional.l1_loss(_spectrum(made), _spectrum(true))
    a, b = made, true
    for _ in range(3):
        total = total + 0.7 * functional.l1_loss(a.diff(dim=2), b.diff(dim=2))
        total = total + 0.7 * functional.l1_loss(a.diff(dim=3), b.diff(dim=3))
        a, b = functional.avg_pool2d(a, 2), functional.avg_pool2d(b, 2)
    total = total + 1.0 * functional.l1_loss(a, b)  # by now the mean of 8 × 8
    chroma_a, chroma_b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
    total = total + 2.0 * functional.l1_loss(chroma_a, chroma_b)
    return total + 0.5 * functional.l1_loss(
        made - made.mean(1, keepdim=True), true - true.mean(1, keepdim=True)
    )


def inner(name: str, value: Tensor) -> bool:
    """Which weights Muon takes: all convolutions but the first and last of each half."""
    return value.ndim == 4 and value.shape[0] == value.shape[1] == 48


def train(minutes: float, seed: int, device: str) -> None:
    """Train for this long in all, counting what earlier runs did."""
    where = pick_device(device)
    torch.manual_seed(seed)
    model = new().to(where, quick(where))
    norm = Norm().to(where)
    parts = {"vae": model, "norm": norm}
    # no averaging: the latents' scale drifts and the running statistics belong to the last step
    masters = Masters(parts, 1.5e-3, decay=1e-3, ema=0.0, muon=inner, muon_size=0.5)
    path = cache() / "vae.pt"
    spent = float((masters.load(path) or {}).get("spent", 0.0))
    shards = dataset.load()
    rng = np.random.default_rng((seed, masters.steps))
    encode: Callable[[Tensor], Tensor] = torch.compile(model.encoder)
    decode: Callable[[Tensor], Tensor] = torch.compile(model.decoder)
    saved = spent
    report: list[float] = []
    while spent < minutes * 60:
        began, done = time.time(), spent / (minutes * 60)
        true = crops(rng, shards, BATCH).to(where)
        latents = norm(encode(true.to(quick(where))))
        # what diffusion leaves behind is noise: the decoder learns to see through a little
        noise = torch.rand(len(true), 1, 1, 1, device=where) * 0.14
        latents = latents + noise * torch.randn_like(latents)
        made = decode(latents.to(quick(where))).float()
        value = loss(made, true)
        torch.autograd.backward(value)
        rise = min(1.0, (masters.steps + 1) / 200)
        masters.step(rise * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done))))
        report.append(float(value.detach()))
        took = time.time() - began
        spent += min(took, 10.0)  # a pause from outside is not training
        if masters.steps % 100 == 0:
            print(
                f"vae step {masters.steps} loss {np.mean(report[-100:]):.4f} "
                f"{BATCH / took:.0f} crops/s done {done:.2f}",
                flush=True,
            )
        if spent - saved > 150:
            masters.save(path, {"spent": spent})
            saved = spent
    masters.save(path, {"spent": spent})


def trained(device: torch.device) -> AutoencoderTiny:
    """The averaged autoencoder with the normalisation folded in, and its refined decoder where there is
    one; float32, for use."""
    state = averaged("vae")
    model = new()
    model.load_state_dict(state["vae"])
    deviation = state["norm"]["var"].sqrt()
    last = model.encoder.layers[-1]
    with torch.no_grad():
        last.weight /= deviation[:, None, None, None]
        last.bias.copy_((last.bias - state["norm"]["mean"]) / deviation)
    if (cache() / "decoder.pt").exists():
        model.decoder.load_state_dict(averaged("decoder")["decoder"])
    return model.to(device).eval().requires_grad_(False)
