"""Networks that preprocessors look through: folders of transformers' anywhere in the model roots."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from underpaint.errors import ModelNotFound, ModelUnusable
from underpaint.hookspecs import PreprocessorDescriptor
from underpaint.weights import Probe, kinds
from underpaint.worker_v1.worker_service_pb2 import PluginFunction

if TYPE_CHECKING:
    from underpaint.daemon.models import ModelIndex
    from underpaint.daemon.scan import FoundModel

CONFIG = "config.json"
FILES = ("model.safetensors", "pytorch_model.bin")
"""What transformers calls weights in one file."""
MAX_JSON = 1 << 20


class Estimators:
    """Tells the weights that preprocessors want from all others. Blocking."""

    def __init__(self, preprocessors: Iterable[PreprocessorDescriptor]) -> None:
        self._roles: dict[str, list[str]] = {}
        for one in preprocessors:
            for architecture in (*one.weights, *one.helpers):
                self._roles.setdefault(architecture, []).append(one.role)

    def told(self, path: Path, probe: Probe) -> Probe:
        """What a file is, with the configuration beside it: its family is what it estimates."""
        if path.name not in FILES or not self._roles:
            return probe
        roles = dict.fromkeys(
            role for name in _architectures(path.parent) for role in self._roles.get(name, ())
        )
        return replace(probe, kind=kinds.ESTIMATOR, family="/".join(roles)) if roles else probe


async def function_of(descriptor: PreprocessorDescriptor, models: ModelIndex) -> PluginFunction:
    """What a worker imports for a preprocessor, with its weights where it needs some.

    Raises ModelNotFound where there are none, ModelUnusable where they cannot be read.
    """
    function = PluginFunction(name=descriptor.name, engine=descriptor.engine)
    if descriptor.weights or descriptor.helpers:
        found = await models.all(kinds.ESTIMATOR, recent=True)
        weights, helper = await asyncio.to_thread(_chosen, descriptor, found)
        if descriptor.weights:
            function.weights = str(_usable(descriptor, weights).path.parent)
        if descriptor.helpers:
            function.helper = str(helper.path.parent) if helper is not None and not helper.problem else ""
    return function


async def lacking(descriptor: PreprocessorDescriptor, models: ModelIndex) -> str:
    """Why a preprocessor cannot be used now, and what to do; "" if it can."""
    try:
        await function_of(descriptor, models)
    except (ModelNotFound, ModelUnusable) as error:
        return error.message
    return ""


def _usable(descriptor: PreprocessorDescriptor, weights: FoundModel | None) -> FoundModel:
    if weights is None:
        hint = (
            f", for example by: underpaint models import {descriptor.example}" if descriptor.example else ""
        )
        raise ModelNotFound(
            f"The preprocessor {descriptor.name!r} needs weights, and there are none in the model roots. Put "
            f"a folder of {' or '.join(descriptor.weights)} there ({CONFIG}, preprocessor_config.json and "
            f"{FILES[0]}, as transformers writes them){hint}.",
            metadata={"model": descriptor.name},
        )
    if weights.problem:
        raise ModelUnusable(
            f"The preprocessor {descriptor.name!r} cannot use {weights.path}: {weights.problem}.",
            metadata={"model": descriptor.name, "path": str(weights.path)},
        )
    return weights


def _chosen(
    descriptor: PreprocessorDescriptor, found: Sequence[FoundModel]
) -> tuple[FoundModel | None, FoundModel | None]:
    """The weights and the helper of a preprocessor."""
    known = [(model, _architectures(model.path.parent)) for model in found]
    return _best(descriptor.weights, known), _best(descriptor.helpers, known)


def _best(
    architectures: Sequence[str], known: Sequence[tuple[FoundModel, Sequence[str]]]
) -> FoundModel | None:
    """One of the first architecture that there is, the first by name; broken ones come last."""
    fitting = [(model, name) for model, names in known for name in architectures if name in names]
    fitting.sort(key=lambda pair: (bool(pair[0].problem), architectures.index(pair[1])))
    return fitting[0][0] if fitting else None


def _architectures(folder: Path) -> Sequence[str]:
    """What the configuration in a folder names; nothing where there is none."""
    try:
        if (folder / CONFIG).stat().st_size > MAX_JSON:
            return ()
        config = json.loads((folder / CONFIG).read_text("utf-8"))
    except (OSError, ValueError):
        return ()
    named = config.get("architectures") if isinstance(config, dict) else None
    return [name for name in named if isinstance(name, str)] if isinstance(named, list) else ()
