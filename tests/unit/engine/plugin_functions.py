"""Functions as plug-ins bring them: good ones, and ones that go wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

entered = threading.Event()
go_on = threading.Event()


def invert(picture: np.ndarray, parameters: Mapping[str, float], check: Callable[[], None]) -> np.ndarray:
    return parameters.get("top", 1.0) - picture[..., :3]


def slow(picture: np.ndarray, parameters: Mapping[str, float], check: Callable[[], None]) -> np.ndarray:
    entered.set()
    assert go_on.wait(300)
    check()
    return picture[..., :3]


def stumbles(*arguments: Any) -> np.ndarray:
    raise ZeroDivisionError("nobody thought of this")


def too_small(picture: np.ndarray, *arguments: Any) -> np.ndarray:
    return picture[:1, :1, :3]


def not_a_number(picture: np.ndarray, *arguments: Any) -> np.ndarray:
    return np.full(picture.shape[:2], np.nan, np.float32)


def red(picture: np.ndarray, scene: Any) -> np.ndarray:
    return np.broadcast_to(np.array([1.0, 0.0, 0.0], np.float32), picture.shape)


def no_blue(picture: np.ndarray, request: Mapping[str, object], options: Mapping[str, Any]) -> str:
    blue = bool((picture[..., 2] > float(options["most"])).any())
    return f"It is too blue for {request['prompt']!r}." if blue else ""
