"""Processors in specifications: names that are known, parameters in their ranges, defaults filled in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from underpaint.daemon.estimators import function_of, lacking
from underpaint.daemon.models import ModelIndex
from underpaint.daemon.plugins import Plugins
from underpaint.errors import Violation
from underpaint.hookspecs import PostprocessorDescriptor, PreprocessorDescriptor
from underpaint.types import (
    MASK_FORMAT,
    Alpha,
    Channels,
    ColorSpace,
    DataType,
    PixelFormat,
    PostprocessorInfo,
    PreprocessorInfo,
)
from underpaint.v1.job_service_pb2 import Control, JobSpec, Preprocess
from underpaint.wire.images import format_to_layout
from underpaint.wire.limits import raise_for
from underpaint.worker_v1.worker_service_pb2 import PluginFunction

MASK = "mask"
DATA_ROLES = ("normal", "depth", "height", "roughness", "ambient-occlusion")
"""Roles whose numbers are no colours."""


def complete(
    preprocess: Preprocess | Control,
    known: Mapping[str, PreprocessorDescriptor],
    where: str = "spec.preprocess",
    defaults: Mapping[str, float] = MappingProxyType({}),
) -> PreprocessorDescriptor:
    """Fills in parameters and returns what is named; `defaults` go before those of the plug-in.

    Raises InvalidRequest with fields below `where`.
    """
    found = known.get(preprocess.preprocessor)
    if found is None:
        raise_for([_unknown(f"{where}.preprocessor", preprocess.preprocessor, known)])
        raise AssertionError("raise_for raises")
    violations: list[Violation] = []
    names = [parameter.name for parameter in found.parameters]
    for name in preprocess.parameters:
        if name not in names:
            violations.append(_unknown(f"{where}.parameters", name, names))
    for parameter in found.parameters:
        if parameter.name not in preprocess.parameters:
            preprocess.parameters[parameter.name] = defaults.get(parameter.name, parameter.default)
        value = preprocess.parameters[parameter.name]
        if not parameter.minimum <= value <= parameter.maximum:
            text = f"must be {parameter.minimum:g} to {parameter.maximum:g}, got {value:g}"
            violations.append(Violation(f"{where}.parameters.{parameter.name}", text))
        elif parameter.step and not (value / parameter.step).is_integer():
            text = f"must be a multiple of {parameter.step:g}, got {value:g}"
            violations.append(Violation(f"{where}.parameters.{parameter.name}", text))
    raise_for(violations)
    return found


def edges_of(spec: JobSpec) -> Mapping[str, float]:
    """What the job's tiling says to preprocessors that look across edges."""
    return {"wrap_x": float(spec.tile_x), "wrap_y": float(spec.tile_y)}


def set_output(spec: JobSpec, role: str) -> None:
    """How a preprocessor's result lies without a wish: coverage for a mask, RGB, u8, top row first else."""
    if spec.HasField("output_layout"):
        return
    space = ColorSpace.DATA if role in DATA_ROLES else ColorSpace.SRGB
    rgb = PixelFormat(Channels.RGB, DataType.U8, Alpha.NONE, space)
    spec.output_layout.CopyFrom(format_to_layout(MASK_FORMAT if role == MASK else rgb))


def check_postprocessors(
    names: Iterable[str], operation: str, known: Mapping[str, PostprocessorDescriptor]
) -> list[Violation]:
    """Which of them are unknown, or not for this operation ("txt2img", "img2img", "edit", "inpaint")."""
    found: list[Violation] = []
    for name in names:
        if name not in known:
            found.append(_unknown("spec.postprocess", name, known))
        elif known[name].operations and operation not in known[name].operations:
            text = f"{name} is for {', '.join(known[name].operations)}, not for {operation}"
            found.append(Violation("spec.postprocess", text))
    return found


async def functions_for(
    spec: JobSpec, plugins: Plugins, models: ModelIndex
) -> tuple[PluginFunction | None, list[PluginFunction]]:
    """What a worker imports for a resolved specification: its preprocessor, its post-processors.

    Raises InvalidRequest or ModelNotFound if one, or its weights, has gone since the job was queued.
    """
    first: PluginFunction | None = None
    if spec.WhichOneof("operation") == "preprocess":
        first = await function_of(complete(spec.preprocess, plugins.preprocessors), models)
    raise_for(
        [
            _unknown("spec.postprocess", n, plugins.postprocessors)
            for n in spec.postprocess
            if n not in plugins.postprocessors
        ]
    )
    after = [plugins.postprocessors[name] for name in spec.postprocess]
    return first, [PluginFunction(name=one.name, engine=one.engine) for one in after]


async def preprocessor_infos(plugins: Plugins, models: ModelIndex) -> Sequence[PreprocessorInfo]:
    """As ListPreprocessors tells them."""
    return [
        PreprocessorInfo(
            name=one.name,
            title=one.title,
            role=one.role,
            parameters=tuple(one.parameters),
            problem=await lacking(one, models),
        )
        for one in plugins.preprocessors.values()
    ]


def postprocessor_infos(plugins: Plugins) -> Sequence[PostprocessorInfo]:
    """As ListPostprocessors tells them."""
    return [
        PostprocessorInfo(name=one.name, title=one.title, operations=tuple(one.operations))
        for one in plugins.postprocessors.values()
    ]


def _unknown(where: str, name: str, known: Iterable[str]) -> Violation:
    names = ", ".join(sorted(known)) or "none, since there are none"
    return Violation(where, f"{name[:60]!r} is none of: {names}")
