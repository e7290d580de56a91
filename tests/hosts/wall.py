"""A stone wall with green paint on it, for the hosts' verbs; with the model in the box."""

from __future__ import annotations

from collections.abc import Mapping
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


def differs(one: Rgba, other: Rgba) -> np.ndarray:
    """Where two pictures are not the same, to the last bit."""
    different: np.ndarray = (one != other).any(axis=2)
    return different


def is_confined(before: Rgba, after: Rgba) -> None:
    """All that was selected is another picture, and beyond its soft edge nothing is."""
    changed = differs(before, after)
    assert changed[covered() == 255].mean() > 0.99
    assert not changed[beyond(48)].any()


def is_removed(before: Rgba, after: Rgba) -> None:
    """The paint is gone, and only that."""
    is_confined(before, after)
    assert green(after) < 0.1 * green(before)


def is_a_material(maps: Mapping[str, str]) -> None:
    """Files of four maps: normals that lean and point up, and three in grey."""
    pictures = {name: picture(file) for name, file in maps.items()}
    assert set(pictures) == {"Height", "Normal", "Roughness", "Ambient occlusion"}
    normals = pictures.pop("Normal")
    assert normals[..., 2].min() > 120 and normals[..., 0].std() > 10
    for name, one in pictures.items():
        assert (one[..., :1] == one[..., :3]).all() and one[..., 0].std() > 1, name


def is_larger(before: Rgba, after: Rgba) -> None:
    """Made small again it is the picture, and it is sharper than a scaled one."""
    height, width = before.shape[:2]
    size = (after.shape[1], after.shape[0])
    small = cv2.resize(after[..., :3], (width, height), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(small - before[..., :3]).mean() < 8
    smooth = cv2.resize(np.ascontiguousarray(before[..., :3]), size, interpolation=cv2.INTER_LINEAR)
    fine, plain = (cv2.Laplacian(one, cv2.CV_32F).std() for one in (after[..., :3], smooth))
    assert fine > 1.5 * plain, (fine, plain)
