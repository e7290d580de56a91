"""Value types shared by hosts, clients, the daemon and the engine. Frozen, no I/O, standard library only.

Coordinates are canvas pixels: the origin is the canvas's top left corner, x runs right, y runs down.
"""

from __future__ import annotations

from underpaint.types.controls import Control, ControlModelInfo, ControlRole
from underpaint.types.islands import UvIslands
from underpaint.types.jobs import JobState, JobUpdate, PlannedStage, Preview, Progress, ResultRef, StageKind
from underpaint.types.latents import LATENTS_FORMAT, LatentsAction, LatentsRequest
from underpaint.types.loras import Lora, LoraInfo
from underpaint.types.models import FreedMemory, ModelInfo, ModelList
from underpaint.types.pixels import (
    MASK_FORMAT,
    Alpha,
    Buffer,
    Channels,
    ColorSpace,
    DataType,
    Image,
    PixelFormat,
    RowOrder,
)
from underpaint.types.places import Bounds
from underpaint.types.processors import Parameter, PostprocessorInfo, PreprocessorInfo
from underpaint.types.provenance import Provenance
from underpaint.types.regions import Region
from underpaint.types.requests import (
    GenerateRequest,
    JobOrigin,
    PreprocessRequest,
    Priority,
    Request,
    ResultForm,
    Tiling,
    UpscaleRequest,
)
from underpaint.types.schedulers import PresetInfo, SchedulerInfo
from underpaint.types.server import PluginInfo, ServerInfo, WorkerInfo

__all__ = [
    "LATENTS_FORMAT",
    "MASK_FORMAT",
    "Alpha",
    "Bounds",
    "Buffer",
    "Channels",
    "ColorSpace",
    "Control",
    "ControlModelInfo",
    "ControlRole",
    "DataType",
    "FreedMemory",
    "GenerateRequest",
    "Image",
    "JobOrigin",
    "JobState",
    "JobUpdate",
    "Lora",
    "LoraInfo",
    "LatentsAction",
    "LatentsRequest",
    "ModelInfo",
    "ModelList",
    "Parameter",
    "PixelFormat",
    "PlannedStage",
    "PluginInfo",
    "PostprocessorInfo",
    "PreprocessRequest",
    "PreprocessorInfo",
    "PresetInfo",
    "Preview",
    "Priority",
    "Progress",
    "Provenance",
    "Region",
    "Request",
    "ResultForm",
    "ResultRef",
    "RowOrder",
    "SchedulerInfo",
    "ServerInfo",
    "StageKind",
    "Tiling",
    "UpscaleRequest",
    "UvIslands",
    "WorkerInfo",
]
