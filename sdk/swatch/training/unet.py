"""The denoiser: one net of nine channels first, so that both models come from one training.

Full masks make it text-to-image, holes make it inpainting; `export` folds the constant
full mask into a bias to get the four-channel net, which `train` can then refine.
"""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextModel

from . import text, words
from .captions import caption
from .dataset import Label
from .formats import quick
from .latents import Pool
from .masters import Masters, averaged, pick_device
from .nets import SCHEDULE, fold, grow, new
from .paths import cache


def _matrix(name: str, value: Tensor) -> bool:
    """Which weights Muon takes: the U-Net's inner matrices."""
    outer = ("conv_in", "conv_out", "time_embedding", "add_embedding")
    return value.ndim > 1 and name.startswith("unet/") and not any(o in name for o in outer)


class Net(nn.Module):
    """Text encoder and U-Net as one function, differentiable in the U-Net."""

    def __init__(self, encoder: CLIPTextModel, unet: UNet2DConditionModel) -> None:
        super().__init__()
        self.encoder, self.unet = encoder.train(False), unet.train()

    def forward(self, x: Tensor, t: Tensor, ids: Tensor) -> Tensor:
        """Latents ``[b, 4 or 9, h, w]``, steps ``[b]``, tokens ``[b, 16]`` to v."""
        with torch.no_grad():
            read = self.encoder(ids)[0]
        result: Tensor = self.unet(x, t, encoder_hidden_states=read, return_dict=False)[0]
        return result


def _weight(mask: Tensor) -> Tensor:
    """How much each cell of ``[b, 1, h, w]`` counts.

    Beside a hole the answer is nearly given; just inside its border an error shows the most.
    """
    rim = mask * functional.max_pool2d(1 - mask, 3, stride=1, padding=1)
    return 0.15 + 0.85 * mask + rim


class Plan:
    """What a batch is made of, by how much of the training is done (0..1)."""

    def __init__(self, channels: int, holes: float, crops_until: float, looks: bool = False) -> None:
        self.channels, self.holes, self.crops_until = channels, holes, crops_until
        self.looks = looks

    def batch(self, done: float, rng: np.random.Generator) -> tuple[int, int]:
        """Samples and latent size: cheap crops early, whole pictures after."""
        whole = rng.random() < (0.05 if done < self.crops_until else 0.92)
        return (24, 32) if whole else (64, 16)

    @staticmethod
    def rate(done: float, steps: int) -> float:
        """Rise, plateau, and a straight way down over the last 30 %."""
        return min(1.0, (steps + 1) / 150) * min(1.0, max(0.02, (1.0 - done) / 0.3))


def train(
    name: str, plan: Plan, minutes: float, seed: int, device: str, rate: float, source: str = ""
) -> None:
    """Train ``<name>.pt`` for this long in all, counting what earlier runs did.

    With a ``source`` it begins from that checkpoint's weights. The text encoder stays as
    `words` left it, because all models share it.
    """
    where = pick_device(device)
    torch.manual_seed(seed)
    tokens = text.tokenizer()
    net = Net(text.new_encoder(len(tokens), tokens.eos_token_id, tokens.bos_token_id),
              new(plan.channels, looks=plan.looks))  # fmt: skip
    path = cache() / f"{name}.pt"
    if source and not path.exists():
        state = averaged(source)["unet"]
        net.unet.load_state_dict(fold(state) if plan.channels == 4 else grow(state, net.unet))
    words.use(net.encoder, net.unet)
    net.to(where)
    parts: dict[str, nn.Module] = {"unet": net.unet}
    masters = Masters(parts, rate, decay=0.01, ema=0.995, muon=_matrix, muon_size=0.3)
    net.to(quick(where))
    extra = masters.load(path) or {}
    spent, samples = float(extra.get("spent", 0.0)), int(extra.get("samples", 0))
    torch.manual_seed(seed + masters.steps)
    rng = np.random.default_rng((seed, masters.steps))
    pool = Pool()
    alphas = DDIMScheduler(**SCHEDULE).alphas_cumprod.to(where)
    # on a processor compiling takes minutes and gains little
    run = torch.compile(net, dynamic=False) if where.type == "cuda" else net
    # threads with a piece of the batch each waste far less than threads inside each operation
    cores = 1 if where.type == "cuda" else min(4, os.cpu_count() or 1)
    pieces = 1 if cores == 1 else 2 * cores
    setup: dict[str, Any] = {"initializer": torch.set_num_threads, "initargs": (1,)}
    crew = ThreadPoolExecutor(cores, **(setup if cores > 1 else {}))
    print(f"{name}: {len(pool.whole)} pictures, from step {masters.steps}", flush=True)
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stop.append(number))
    saved = time.time()
    report: list[tuple[int, float]] = []
    while spent < minutes * 60:
        began, worked = time.time(), time.process_time()
        done = spent / (minutes * 60)
        count, size = plan.batch(done, rng)
        holes = round(count * plan.holes) if pool.holed and plan.channels == 9 else 0
        latents, condition, labels, untold = pool.draw(rng, count, holes, size)
        # half the holes have no words, so that the net has to look at what is around them;
        # a patch of another material always has, since nothing else could tell it
        share = np.where(np.arange(count) < holes, np.where(untold, 0.0, 0.5), 0.1)
        drop = rng.random(count) < share
        captions = [
            "" if dropped else caption(Label(*(int(v) for v in label)), rng)
            for label, dropped in zip(labels, drop, strict=True)
        ]
        ids = tokens(
            captions, padding="max_length", truncation=True, max_length=text.LENGTH,
            return_tensors="pt",
        ).input_ids.to(where)  # fmt: skip
        latents, condition = latents.to(where), condition.to(where)
        # one step from each of `count` equal stretches: far less noise in the gradient
        order = torch.randperm(count, device=where)
        t = ((order + torch.rand(count, device=where)) / count * 1000).long().clamp(0, 999)
        a = alphas[t][:, None, None, None].sqrt()
        s = (1 - alphas[t])[:, None, None, None].sqrt()
        noise = torch.randn_like(latents)
        x = a * latents + s * noise
        if plan.channels == 9:
            x = torch.cat([x, condition], 1)
        truth = a * noise - s * latents
        weight = _weight(condition[:, :1])
        weight = weight / weight.sum()

        def part(rows: slice, batch: tuple[Tensor, ...]) -> float:
            low, steps, tokens_, wanted, heavy = (value[rows] for value in batch)
            v = run(low, steps, tokens_).float()
            loss = ((v - wanted).square().mean(1, keepdim=True) * heavy).sum()
            loss.backward()  # gradients of all parts add up in the shared weights
            return float(loss.detach())

        batch = (x.to(quick(where)), t, ids, truth, weight)
        chunk = -(-count // pieces)
        rows = [slice(k, k + chunk) for k in range(0, count, chunk)]
        loss = sum(crew.map(part, rows, [batch] * len(rows)))
        norm = masters.step(plan.rate(done, masters.steps), crew=crew)
        samples += count
        report.append((size, loss))
        took = time.time() - began
        # neither a pause from outside nor waiting for a busy processor is training
        spent += min(took, time.process_time() - worked)
        if masters.steps % 20 == 0:
            recent = report[-100:]
            by_size = {n: np.mean([v for m, v in recent if m == n]) for n in sorted({m for m, _ in recent})}
            shown = " ".join(f"{n}²: {v:.4f}" for n, v in by_size.items())
            print(
                f"{name} step {masters.steps} {shown} norm {norm:.2f} {samples} samples "
                f"{count / took:.1f}/s at {size}² done {done:.3f}",
                flush=True,
            )
        if time.time() - saved > 180 or stop:
            masters.save(path, {"spent": spent, "samples": samples})
            saved = time.time()
        if stop:
            return
    masters.save(path, {"spent": spent, "samples": samples})
