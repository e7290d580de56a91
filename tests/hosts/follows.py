"""A drawing for the hosts' layers, and how well a picture keeps to it; with the model in the box."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from tests.hosts.programs import CHECKOUT

# The training code is no part of the installed package.
sys.path.insert(0, str(CHECKOUT / "sdk" / "swatch"))
from training import drawings
from training.materials import BY_NAME

EDGE = 256
PROMPT, SEED, GUIDANCE = "grey marble", 1, 1.5
"""The nets in the box keep to a drawing best at little guidance."""


def lines() -> np.ndarray:
    """Where the drawing's strokes are, bool `[256, 256]`: the outlines of a large piece of marble."""
    return drawings.outline(BY_NAME["marble"].make(np.random.default_rng(3), 2)) > 0.5


def strokes(folder: Path) -> Path:
    """Black strokes on nothing, as a painter draws them: raw RGBA bytes, the top row first."""
    rgba = np.zeros((EDGE, EDGE, 4), np.uint8)
    rgba[lines(), 3] = 255
    target = folder / "strokes.rgba"
    target.write_bytes(rgba.tobytes())
    return target


def agreement(picture: np.ndarray) -> float:
    """F1 of the drawing's lines and the edges of a picture u8 `[256, 256, 3]`, 0.0 to 1.0."""
    return drawings.agreement(lines(), drawings.edges(picture, 0.5))


def read(file: str | Path) -> np.ndarray:
    """Raw RGBA bytes of a picture as u8 `[256, 256, 3]`."""
    return np.frombuffer(Path(file).read_bytes(), np.uint8).reshape(EDGE, EDGE, 4)[..., :3]
