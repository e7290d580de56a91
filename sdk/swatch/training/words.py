"""Words first: the text encoder learns to tell labels apart before any picture is seen.

Trained with the U-Net from nothing, it learns what groups of materials have in common and
keeps brick, tiles and hexagons one word for very long: few captions move it, and a U-Net that
was told the same thing for two materials has no reason to ask for more. So each word gets a
direction of its own in the embedding that reaches every block, and stays as it is afterwards.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor
from torch.nn import functional
from transformers import CLIPTextModel

from . import text
from .captions import Said, caption_of
from .dataset import DIRECTIONS, SCALES, STYLES, Label
from .masters import State, averaged
from .materials import MATERIALS
from .nets import new
from .paths import cache
from .render import COLOURS

STRENGTH = {"material": 8.0, "colour": 5.0, "scale": 5.0, "style": 5.0, "direction": 5.0}
"""Length of a word's own direction; an embedding is about 16 long."""
COUNTS = {
    "material": len(MATERIALS), "colour": len(COLOURS), "scale": len(SCALES),
    "style": len(STYLES), "direction": len(DIRECTIONS),
}  # fmt: skip


def codes(width: int, avoid: Tensor, seed: int) -> dict[str, Tensor]:
    """For every kind of word orthogonal directions ``[count, width]``, apart from those in use.

    ``avoid`` ``[n, width]`` holds orthonormal directions that already mean something.
    """
    total = sum(COUNTS.values())
    generator = torch.Generator().manual_seed(seed)
    flat = torch.full((1, width), width**-0.5)  # what a layer norm takes away
    taken = torch.cat([flat, avoid])
    basis, _ = torch.linalg.qr(torch.cat([taken, torch.randn(total, width, generator=generator)]).T)
    free = basis.T[len(taken) :]
    result, start = {}, 0
    for kind, count in COUNTS.items():
        result[kind] = free[start : start + count] * STRENGTH[kind]
        start += count
    return result


def _draw(rng: np.random.Generator, count: int) -> list[tuple[str, Said]]:
    sizes = list(COUNTS.values())
    return [caption_of(Label(*(int(rng.integers(n)) for n in sizes)), rng) for _ in range(count)]


def _sum(table: dict[str, Tensor], said: list[Said]) -> Tensor:
    rows = [sum((table[kind][k] for kind, k in one.items()), torch.zeros(())) for one in said]
    return torch.stack([row.expand(table["material"].shape[1]) for row in rows])


def train(steps: int, seed: int) -> None:
    """Write ``words.pt``: the text encoder and the U-Net's pooling of its words.

    When there is a jointly trained ``unet-joint.pt``, its embedding is kept and added to, so
    that what that U-Net already understands it goes on understanding.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng((seed, 21))
    tokens = text.tokenizer()
    encoder = text.new_encoder(len(tokens), tokens.eos_token_id, tokens.bos_token_id)
    net = new(9)
    known = (cache() / "unet-joint.pt").exists()
    if known:
        state = averaged("unet-joint")
        encoder.load_state_dict(state["text"])
        net.load_state_dict(state["unet"])
    pool = net.add_embedding

    def ids(captions: list[str]) -> Tensor:
        read: Tensor = tokens(
            captions, padding="max_length", truncation=True, max_length=text.LENGTH,
            return_tensors="pt",
        ).input_ids  # fmt: skip
        return read

    width = int(pool.norm2.weight.shape[0])
    with torch.no_grad():
        sample = pool(encoder(ids([c for c, _ in _draw(rng, 600)]))[0])
        directions = torch.linalg.svd(sample - sample.mean(0), full_matrices=False)[2]
    table = codes(width, directions[:12] if known else directions[:0], seed)
    gain, shift = pool.norm2.weight.detach().clone(), pool.norm2.bias.detach().clone()
    drawn = [_draw(rng, 128) for _ in range(steps)]
    with torch.no_grad():
        wanted = []
        for batch in drawn:
            old = pool(encoder(ids([c for c, _ in batch]))[0]) if known else torch.zeros(len(batch), width)
            aim = old + _sum(table, [said for _, said in batch])
            wanted.append(functional.layer_norm((aim - shift) / gain, (width,)) * gain + shift)
        empty = pool(encoder(ids([""]))[0])
    chosen = [*encoder.parameters(), *pool.parameters()]
    optimizer = torch.optim.AdamW(chosen, lr=1e-3, weight_decay=0.0, fused=True)
    began = time.time()
    for step, (batch, aim) in enumerate(zip(drawn, wanted, strict=True)):
        for group in optimizer.param_groups:
            group["lr"] = 1.5e-3 * min(1.0, (step + 1) / 30) * max(0.02, min(1.0, 2 * (1 - step / steps)))
        made = pool(encoder(ids([*(c for c, _ in batch[1:]), ""]))[0])
        truth = torch.cat([aim[1:], empty])
        loss = (made - truth).square().mean()
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        if step % 25 == 24:
            share = float(loss.detach() / (aim - aim.mean(0)).square().mean())
            print(f"words step {step + 1} unexplained {share:.4f} {time.time() - began:.0f} s", flush=True)
    torch.save({"text": encoder.state_dict(), "pool": pool.state_dict()}, cache() / "words.pt")


def trained() -> dict[str, State]:
    """``text`` and ``pool`` of ``words.pt``."""
    result: dict[str, State] = torch.load(cache() / "words.pt", map_location="cpu", weights_only=True)
    return result


def use(encoder: CLIPTextModel, net: UNet2DConditionModel) -> None:
    """Put the learnt words into both and keep them as they are."""
    state = trained()
    encoder.load_state_dict(state["text"])
    net.add_embedding.load_state_dict(state["pool"])
    encoder.requires_grad_(requires_grad=False)
    net.add_embedding.requires_grad_(requires_grad=False)
