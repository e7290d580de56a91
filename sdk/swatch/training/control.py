"""Control nets: the U-Net's first half again, which reads a drawing and steers the frozen U-Net."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import ControlNetModel, DDIMScheduler, UNet2DConditionModel
from numpy.typing import NDArray
from torch import Tensor, nn

from . import dataset, drawings, nets, text, words
from .captions import caption
from .dataset import Label
from .formats import quick
from .masters import Masters, averaged, pick_device
from .paths import cache

KINDS = ("lines", "height")
SHARDS = 2


GAINS = {"lines": 1.5, "height": 1.0}
"""By how much a trained net is made louder, so that a strength of 1.0 keeps to drawings best."""


def new(unet: UNet2DConditionModel) -> ControlNetModel:
    """Untrained: the U-Net's own weights where it has them, zeros where the control comes out."""
    config = {key: unet.config[key] for key in (
        "down_block_types", "block_out_channels", "layers_per_block", "norm_num_groups",
        "cross_attention_dim", "attention_head_dim", "mid_block_type", "addition_embed_type",
        "addition_embed_type_num_heads", "resnet_time_scale_shift", "in_channels",
    )}  # fmt: skip
    # reading a drawing at full resolution is dear: few channels there
    net = ControlNetModel(**config, conditioning_embedding_out_channels=(8, 16, 32, 64))
    for part in ("conv_in", "time_embedding", "add_embedding", "down_blocks", "mid_block"):
        getattr(net, part).load_state_dict(getattr(unet, part).state_dict())
    # two zeros in a row would let neither learn: the drawing comes in from the first step on,
    # and only the way out begins at zero
    torch.nn.init.normal_(net.controlnet_cond_embedding.conv_out.weight, std=0.05)
    net.time_embedding.requires_grad_(requires_grad=False)
    net.add_embedding.requires_grad_(requires_grad=False)
    return net


def build(seed: int) -> None:
    """Line drawings and height maps ``[n, 256, 256]`` of the first shards, drawn again."""
    folder = cache() / "drawings"
    folder.mkdir(exist_ok=True)
    for number in range(SHARDS):
        paths = {kind: folder / f"{kind}-{number:04d}.npy" for kind in KINDS}
        if all(path.exists() for path in paths.values()):
            continue
        maps: dict[str, list[NDArray[np.uint8]]] = {kind: [] for kind in KINDS}
        for drawn in dataset.each(seed, number):
            maps["lines"].append(drawings.outline(drawn.pattern).astype(np.uint8) * 255)
            maps["height"].append((drawings.height(drawn.pattern) * 255).round().astype(np.uint8))
        for kind, path in paths.items():
            _put(path, np.stack(maps[kind]))
        print(f"drew shard {number}", flush=True)


def _put(path: Path, values: NDArray[np.uint8]) -> None:
    partial = path.with_suffix(f".{os.getpid()}.tmp")
    with partial.open("wb") as out:
        np.save(out, values)
    partial.replace(path)


class Pairs:
    """Latents with the drawings that belong to them."""

    def __init__(self, kind: str) -> None:
        labels = dataset.load_labels()
        numbers = range(SHARDS)
        latents = [np.load(cache() / "latents" / f"latents-{n:04d}.npz")["latents"] for n in numbers]
        self.latents = torch.from_numpy(np.concatenate(latents))
        paths = [cache() / "drawings" / f"{kind}-{n:04d}.npy" for n in numbers]
        self.drawings = [np.load(path, mmap_mode="r") for path in paths]
        self.labels = np.concatenate([labels[n] for n in numbers])
        self.per_shard = len(latents[0])

    def draw(self, rng: np.random.Generator, count: int, size: int) -> tuple[Tensor, Tensor, list[Label]]:
        """Latents ``[count, 4, size, size]``, drawings ``[count, 3, 8 size, 8 size]`` in 0..1, labels."""
        latents, drawn, labels = [], [], []
        for _ in range(count):
            row = int(rng.integers(len(self.latents)))
            dy, dx = (int(v) for v in rng.integers(0, 32, 2))
            latents.append(torch.roll(self.latents[row].float(), (dy, dx), (1, 2))[:, :size, :size])
            whole = self.drawings[row // self.per_shard][row % self.per_shard]
            part = np.roll(whole, (8 * dy, 8 * dx), (0, 1))[: 8 * size, : 8 * size]
            drawn.append(torch.from_numpy(part).float() / 255)
            labels.append(Label(*(int(v) for v in self.labels[row])))
        return torch.stack(latents), torch.stack(drawn)[:, None].expand(-1, 3, -1, -1), labels


def _matrix(name: str, value: Tensor) -> bool:
    """Which weights Muon takes: all matrices but the first, those that begin as zeros too."""
    outer = ("control/conv_in", "cond_embedding.conv_in", "time_embedding", "add_embedding")
    return value.ndim > 1 and not any(o in name for o in outer)


def rate(done: float, steps: int) -> float:
    """A short rise, a plateau, and a straight way down over the last half."""
    return min(1.0, (steps + 1) / 20) * min(1.0, max(0.03, (1.0 - done) / 0.5))


def train(kind: str, minutes: float, seed: int, device: str, speed: float, source: str = "") -> None:
    """Train ``<kind>.pt`` for this long in all; begins as ``source`` where that is given."""
    where = pick_device(device)
    torch.manual_seed(seed)
    tokens = text.tokenizer()
    encoder = text.new_encoder(len(tokens), tokens.eos_token_id, tokens.bos_token_id)
    unet = nets.four().requires_grad_(requires_grad=False)
    words.use(encoder, unet)
    net = new(unet)
    if source and not (cache() / f"{kind}.pt").exists():
        net.load_state_dict(averaged(source)["control"])
    modules: tuple[nn.Module, ...] = (encoder, unet, net)
    for module in modules:
        module.to(where)
    masters = Masters({"control": net}, speed, decay=0.0, ema=0.97, muon=_matrix, muon_size=0.3)
    for module in modules:
        module.to(quick(where))
    path = cache() / f"{kind}.pt"
    extra = masters.load(path) or {}
    spent = float(extra.get("spent", 0.0))
    rng = np.random.default_rng((seed, KINDS.index(kind), masters.steps))
    pairs = Pairs(kind)
    alphas = DDIMScheduler(**nets.SCHEDULE).alphas_cumprod.to(where)
    cores = 1 if where.type == "cuda" else min(4, os.cpu_count() or 1)
    pieces = 1 if cores == 1 else 2 * cores
    setup: dict[str, Any] = {"initializer": torch.set_num_threads, "initargs": (1,)}
    crew = ThreadPoolExecutor(cores, **(setup if cores > 1 else {}))
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stop.append(number))
    report: list[float] = []
    while spent < minutes * 60 and not stop:
        began = time.time()
        done = spent / (minutes * 60)
        count, size = (32, 16) if rng.random() < 0.9 else (12, 32)
        latents, drawn, labels = pairs.draw(rng, count, size)
        # a fifth without words, so that the drawing alone has to say what it can
        captions = ["" if rng.random() < 0.2 else caption(label, rng) for label in labels]
        ids = tokens(
            captions, padding="max_length", truncation=True, max_length=text.LENGTH,
            return_tensors="pt",
        ).input_ids.to(where)  # fmt: skip
        with torch.no_grad():
            read = encoder(ids)[0]
        latents = latents.to(where)
        order = torch.randperm(count, device=where)
        # where things lie is decided while there is much noise
        share = ((order + torch.rand(count, device=where)) / count).pow(0.6)
        t = (share * 1000).long().clamp(0, 999)
        a = alphas[t][:, None, None, None].sqrt()
        s = (1 - alphas[t])[:, None, None, None].sqrt()
        noise = torch.randn_like(latents)
        batch = (
            (a * latents + s * noise).to(quick(where)), t, read, drawn.to(where, quick(where)),
            a * noise - s * latents,
        )  # fmt: skip

        def part(rows: slice, batch: tuple[Tensor, ...], whole: int) -> float:
            x, steps, states, drawing, truth = (value[rows] for value in batch)
            v = steered(unet, net, x, steps, states, drawing)
            loss = (v.float() - truth).square().mean() * (len(x) / whole)
            torch.autograd.backward(loss)
            return float(loss.detach())

        chunk = -(-count // pieces)
        rows = [slice(k, k + chunk) for k in range(0, count, chunk)]
        report.append(sum(crew.map(part, rows, [batch] * len(rows), [count] * len(rows))))
        masters.step(rate(done, masters.steps), crew=crew)
        spent += min(time.time() - began, 10.0)
        if masters.steps % 10 == 0:
            recent = float(np.mean(report[-40:]))
            pace = count / (time.time() - began)
            print(
                f"{kind} step {masters.steps} {recent:.4f} {pace:.0f}/s at {size}² done {done:.2f}",
                flush=True,
            )
    masters.save(path, {"spent": spent})


def steered(
    unet: nn.Module, net: nn.Module, x: Tensor, steps: Tensor, states: Tensor, drawing: Tensor
) -> Tensor:
    """v of latents ``[b, 4, h, w]`` with a drawing ``[b, 3, 8 h, 8 w]``, as stock pipelines do it."""
    down, middle = net(x, steps, encoder_hidden_states=states, controlnet_cond=drawing, return_dict=False)
    result: Tensor = unet(
        x, steps, encoder_hidden_states=states, down_block_additional_residuals=down,
        mid_block_additional_residual=middle, return_dict=False,
    )[0]  # fmt: skip
    return result


def trained(kind: str) -> ControlNetModel:
    """The averaged control net of a checkpoint, float32, for use."""
    net = new(nets.four())
    net.load_state_dict(averaged(kind)["control"])
    return louder(net, GAINS[kind]).eval().requires_grad_(requires_grad=False)


def louder(net: ControlNetModel, factor: float) -> ControlNetModel:
    """The same net with what it adds to the U-Net multiplied by a factor."""
    with torch.no_grad():
        for out in (*net.controlnet_down_blocks, net.controlnet_mid_block):
            out.weight *= factor
            out.bias *= factor
    return net
