"""A classifier of material and colour, trained on pictures that swatch never saw.

Blur and the autoencoder's reconstructions are its augmentation, so that it judges
structure and not sharpness. It looks at pictures at half their size: enough to tell
materials apart, and a quarter of the work.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from diffusers import AutoencoderTiny
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from . import dataset, vae
from .formats import quick
from .masters import Masters, averaged, pick_device
from .materials import MATERIALS
from .paths import cache
from .render import COLOURS

SHARDS = 3
FIRST = dataset.HELD_OUT + 1000  # neither trained on nor measured on
CROPS = ((52, 60), (84, 84), (128, 128))  # at half size; the first is the hole that is measured


def tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """``[n, h, w, 3]`` bytes to ``[n, 3, h, w]`` in -1..1."""
    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1.0


class Judge(nn.Module):
    """Strided convolutions and a mean, so that any picture of 64 pixels or more will do."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, 32, 5, 2, 2)]
        wide = 32
        for out in (64, 112, 176):
            layers += [nn.GroupNorm(8, wide), nn.SiLU(), nn.Conv2d(wide, out, 3, 2, 1)]
            layers += [nn.GroupNorm(8, out), nn.SiLU(), nn.Conv2d(out, out, 3, 1, 1)]
            wide = out
        self.body = nn.Sequential(*layers, nn.GroupNorm(8, wide), nn.SiLU())
        self.material = nn.Linear(2 * wide, len(MATERIALS))
        self.colour = nn.Linear(2 * wide, len(COLOURS))

    def forward(self, half: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures of half size ``[n, 3, h, w]`` in -1..1 to logits of material and colour."""
        x = self.body(half)
        x = torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)
        return self.material(x), self.colour(x)


@torch.no_grad()
def reconstruct(model: AutoencoderTiny, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What the autoencoder makes of pictures."""
    out = []
    for start in range(0, len(pictures), 16):
        x = tensor(pictures[start : start + 16]).to(model.device, model.dtype)
        y = model.decode(model.encode(x).latents).sample.float().clamp(-1, 1)
        out.append(((y + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy())
    return np.concatenate(out)


def halved(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """``[n, h, w, 3]`` to ``[n, h/2, w/2, 3]`` by means of four."""
    n, h, w, _ = pictures.shape
    means = pictures.reshape(n, h // 2, 2, w // 2, 2, 3).mean((2, 4), dtype=np.float32)
    return np.asarray(means.round(), np.uint8)


def _pictures(seed: int, device: torch.device) -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
    """Pictures of half size and labels; each third one is a reconstruction. Kept on disk."""
    path = cache() / "judge-pictures.npz"
    if not path.exists():
        model = vae.trained(device).to(quick(device))
        pictures, labels = [], []
        for k in range(SHARDS):
            drawn, named = dataset.draw(seed, FIRST + k)
            drawn[k::3] = reconstruct(model, drawn[k::3])
            pictures.append(halved(drawn))
            labels.append(named)
            print(f"judge: drew shard {k + 1} of {SHARDS}", flush=True)
        np.savez(path, pictures=np.concatenate(pictures), labels=np.concatenate(labels))
    kept = np.load(path)
    return kept["pictures"], kept["labels"]


def _matrix(name: str, value: Tensor) -> bool:
    """Which weights Muon takes: all convolutions but the first."""
    return value.ndim == 4 and value.shape[1] > 3


def train(minutes: float, seed: int, device: str) -> None:
    """Train the judge for this long in all; resumes."""
    where = pick_device(device)
    torch.manual_seed(seed)
    pictures, labels = _pictures(seed, where)
    model = Judge().to(where, quick(where))
    masters = Masters({"judge": model}, 2e-3, decay=0.02, ema=0.99, muon=_matrix, muon_size=0.3)
    path = cache() / "judge.pt"
    spent = float((masters.load(path) or {}).get("spent", 0.0))
    rng = np.random.default_rng((seed, 4, masters.steps))
    saved = spent
    while (done := spent / (minutes * 60)) < 1:
        began = time.process_time()
        rows = np.sort(rng.integers(0, len(pictures), 32))
        tall, wide = CROPS[int(rng.integers(len(CROPS)))]
        # pictures wrap, so a crop may begin anywhere
        dy, dx = (int(v) for v in rng.integers(0, 128, 2))
        batch = tensor(np.roll(pictures[rows], (dy, dx), (1, 2))[:, :tall, :wide]).to(where)
        if rng.random() < 0.5:  # blur
            small = functional.interpolate(batch, scale_factor=float(rng.uniform(0.5, 1.0)), mode="area")
            batch = functional.interpolate(small, (tall, wide), mode="bilinear")
        batch = batch + 0.05 * rng.random() * torch.randn_like(batch)
        truth = torch.from_numpy(labels[rows].astype(np.int64)).to(where)
        material, colour = (logits.float() for logits in model(batch.to(quick(where))))
        loss = functional.cross_entropy(material, truth[:, 0], label_smoothing=0.05)
        loss = loss + 0.5 * functional.cross_entropy(colour, truth[:, 1])
        torch.autograd.backward(loss)
        masters.step(min(1.0, (masters.steps + 1) / 50) * max(0.02, 1 - done))
        spent += time.process_time() - began  # waiting for a busy processor is not training
        if masters.steps % 50 == 0:
            right = (material.argmax(1) == truth[:, 0]).float().mean()
            hue = (colour.argmax(1) == truth[:, 1]).float().mean()
            shown = f"loss {float(loss.detach()):.3f} material {right:.2f} colour {hue:.2f} done {done:.2f}"
            print(f"judge step {masters.steps} {shown}", flush=True)
        if spent - saved > 60:
            masters.save(path, {"spent": spent})
            saved = spent
    masters.save(path, {"spent": spent})


class Court:
    """The trained judge, asked about pictures."""

    def __init__(self) -> None:
        self.model = Judge()
        self.model.load_state_dict(averaged("judge")["judge"])
        self.model.eval()

    @torch.no_grad()
    def ask(self, pictures: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Material and colour numbers of ``[n, h, w, 3]``."""
        parts = [halved(pictures[k : k + 32]) for k in range(0, len(pictures), 32)]
        answers = [self.model(tensor(part)) for part in parts]
        material = torch.cat([m for m, _ in answers]).argmax(1).numpy()
        colour = torch.cat([c for _, c in answers]).argmax(1).numpy()
        return material, colour
