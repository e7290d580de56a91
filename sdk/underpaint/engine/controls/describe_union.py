"""Union control nets (`ControlNetUnionModel`), described without torch: one net, a control mode a role.

`underpaint.json` may say `modes`, an object of roles with their numbers; without it those of the nets that
xinsir trained (the first of the kind) are taken, as far as the net counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from underpaint.engine.controls.describe import describe_net, facts_of, net_traits, unusable
from underpaint.hookspecs import ControlTraits
from underpaint.weights import kinds

CLASS = "ControlNetUnionModel"
MODES: Mapping[str, int] = {
    "pose": 0,
    "depth": 1,
    "soft-edge": 2,
    "scribble": 2,
    "canny": 3,
    "line-art": 3,
    "straight-lines": 3,
    "normal": 4,
    "segmentation": 5,
    "tile": 6,
}
"""Of xinsir/controlnet-union-sdxl-1.0, whose first version ends with 5. Mode 7 wants a masked picture."""


def describe_union(folder: Path, config: Mapping[str, Any]) -> ControlTraits | None:
    """A union net's traits, None for another kind of network. Raises `ModelUnusable`."""
    if config.get("_class_name") != CLASS:
        return None
    describe_net(folder, config)
    return union_traits(folder, config)


def union_traits(place: Path, config: Mapping[str, Any]) -> ControlTraits:
    """The same of one whose weights are there, in a folder or a file. Raises `ModelUnusable`."""
    roles = tuple(modes_of(place, config))
    return replace(net_traits(place, config), kind=kinds.CONTROL_NET_UNION, roles=roles)


def modes_of(place: Path, config: Mapping[str, Any]) -> Mapping[str, int]:
    """The number of each role that a union net knows. Raises `ModelUnusable`."""
    return numbered(place, int(config.get("num_control_type", 6)), MODES)


def numbered(place: Path, count: int, usual: Mapping[str, int]) -> Mapping[str, int]:
    """Modes below `count` by role: what `underpaint.json` says, else the usual ones."""
    given = facts_of(place).get("modes")
    if given is None:
        return {role: mode for role, mode in usual.items() if mode < count}
    numbers = given.values() if isinstance(given, dict) else [None]
    if not all(type(mode) is int and 0 <= mode < count for mode in numbers):
        raise unusable(place, f"modes in underpaint.json must be numbers from 0 to {count - 1} by role")
    return dict(given)
