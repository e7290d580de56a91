"""A stone wall with green paint on it, for the hosts' verbs; with the model in the box."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from tests.hosts.programs import CHECKOUT

PICTURES = CHECKOUT / "examples" / "pictures"
WIDTH, HEIGHT = 384, 320
Rgba = np.ndarray


def arguments(folder: Path) -> dict[str, Any]:
    """What a script is told: files of raw pixels, the top row first: the wall, and what covers the paint."""
    folder.mkdir()
    wall, paint = folder / "wall.rgba", folder / "paint.gray"
    wall.write_bytes(Image.open(PICTURES / "wall.png").convert("RGBA").tobytes())
    paint.write_bytes(covered().tobytes())
    return {"wall": str(wall), "paint": str(paint), "width": WIDTH, "height": HEIGHT}


def covered() -> np.ndarray:
    """The selection, u8 `[320, 384]`."""
    return np.asarray(Image.open(PICTURES / "wall-mask.png").convert("L"))


def beyond(reach: int) -> np.ndarray:
    """What lies farther from the selection than `reach` pixels, bool `[320, 384]`."""
    near = cv2.dilate(covered(), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    far: np.ndarray = near == 0
    return far


def picture(file: str, width: int = WIDTH, height: int = HEIGHT) -> Rgba:
    """What a script has kept: u8 `[height, width, 4]`. A PNG beside it is for people."""
    found = np.frombuffer(Path(file).read_bytes(), np.uint8).reshape(height, width, 4)
    Image.fromarray(found).save(Path(file).with_suffix(".png"))
    return found


def green(rgba: Rgba) -> float:
    """The share of pixels that are as green as the paint, 0.0 to 1.0."""
    red, middle, blue = (rgba[..., channel].astype(int) for channel in range(3))
    return float(((middle > 110) & (middle - blue > 40) & (middle >= red)).mean())


def is_grey(rgba: Rgba) -> bool:
    """Whether all colours are equal."""
    return bool((rgba[..., :1] == rgba[..., :3]).all())


def differs(one: Rgba, other: Rgba) -> np.ndarray:
    """Where two pictures are not the same, to the last bit."""
    different: np.ndarray = (one != other).any(axis=2)
    return different
