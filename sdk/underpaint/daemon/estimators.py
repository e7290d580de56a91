"""Weights that preprocessors need: folders of transformers' networks anywhere in the model roots."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path

from underpaint.daemon.models import ModelIndex
from underpaint.errors import ModelNotFound
from underpaint.hookspecs import PreprocessorDescriptor
from underpaint.worker_v1.worker_service_pb2 import PluginFunction

CONFIG = "config.json"


async def function_of(descriptor: PreprocessorDescriptor, models: ModelIndex) -> PluginFunction:
    """What a worker imports for a preprocessor, with its weights where it needs some.

    Raises ModelNotFound where there are none.
    """
    function = PluginFunction(name=descriptor.name, engine=descriptor.engine)
    if descriptor.weights:
        function.weights = str(await _weights_for(descriptor, models))
    return function


async def _weights_for(descriptor: PreprocessorDescriptor, models: ModelIndex) -> Path:
    files = [found.path for found in await models.all(recent=True)]
    found = await asyncio.to_thread(_folder, files, frozenset(descriptor.weights))
    if found is None:
        raise ModelNotFound(
            f"The preprocessor {descriptor.name!r} needs weights, and there are none in the model roots. Put "
            f"a folder of {' or '.join(descriptor.weights)} there ({CONFIG}, preprocessor_config.json and "
            "safetensors, as transformers writes them).",
            metadata={"model": descriptor.name},
        )
    return found


def _folder(files: Iterable[Path], architectures: frozenset[str]) -> Path | None:
    """The first folder of a weight file whose configuration names one of these."""
    for folder in dict.fromkeys(path.parent for path in files if path.suffix == ".safetensors"):
        try:
            config = json.loads((folder / CONFIG).read_text("utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(config, dict) and architectures & set(config.get("architectures") or ()):
            return folder
    return None
