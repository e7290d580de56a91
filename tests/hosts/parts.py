"""Two parts of a picture for the hosts' layers, each with words of its own; with the model in the box."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from tests.hosts.programs import CHECKOUT

MODELS = CHECKOUT / "sdk" / "swatch" / "underpaint_swatch" / "models"
EDGE = 256
PROMPT, SEED = "grey cobblestone", 4
WORDS = {"meadow": "green grass", "wall": "red brick"}
_CENTRES = {"meadow": (66, 120), "wall": (188, 140)}
_RADIUS = 54
_PURPLE = (130, 40, 160, 255)
"""Of the layers: no colour that either part shall have."""


def disc(name: str) -> np.ndarray:
    """Where a part lies, bool `[256, 256]`."""
    rows, columns = np.mgrid[0:EDGE, 0:EDGE]
    x, y = _CENTRES[name]
    return (columns - x) ** 2 + (rows - y) ** 2 < _RADIUS**2


def layers(folder: Path) -> dict[str, str]:
    """A file of raw RGBA bytes for each part, the top row first: a purple disc on nothing."""
    made = {}
    for name in WORDS:
        rgba = np.zeros((EDGE, EDGE, 4), np.uint8)
        rgba[disc(name)] = _PURPLE
        made[name] = str(folder / f"{name}.rgba")
        Path(made[name]).write_bytes(rgba.tobytes())
    return made


def arguments(folder: Path) -> dict[str, Any]:
    """What the hosts' scripts are told."""
    return {"layers": layers(folder), "words": WORDS, "edge": EDGE, "prompt": PROMPT, "seed": SEED}


def keep_to_their_places(file: str) -> None:
    """A picture's grass is green, its brick red, and grey what belongs to neither; raw RGBA bytes."""
    picture = np.frombuffer(Path(file).read_bytes(), np.uint8).reshape(EDGE, EDGE, 4)[..., :3].astype(float)
    green = picture[..., 1] - picture[..., [0, 2]].mean(axis=2)
    red = picture[..., 0] - picture[..., 1:].mean(axis=2)
    meadow, wall = disc("meadow"), disc("wall")
    rest = ~(meadow | wall)
    found = {
        name: (round(green[place].mean()), round(red[place].mean()))
        for name, place in (("meadow", meadow), ("wall", wall), ("rest", rest))
    }
    print(f"green and red of {file}: {found}")
    assert found["meadow"][0] > 20 and found["meadow"][1] < 20
    assert found["wall"][1] > 30 and found["wall"][0] < 0
    assert max(map(abs, found["rest"])) < 15


def lora(folder: Path) -> str:
    """A LoRA for the model in the box that changes what it reads of the words; its name."""
    made = np.random.default_rng(5)
    state = {}
    for layer, inputs in (("to_k", 128), ("to_v", 128), ("to_out_0", 192)):
        name = f"lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_{layer}"
        state[f"{name}.lora_down.weight"] = made.normal(size=(4, inputs)).astype(np.float32)
        state[f"{name}.lora_up.weight"] = made.normal(size=(192, 4)).astype(np.float32)
    about = {"modelspec.title": "Ink wash", "modelspec.trigger_phrase": "inked"}
    save_file(state, folder / "ink.safetensors", metadata=about)
    return "ink"
