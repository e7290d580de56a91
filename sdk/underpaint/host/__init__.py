"""The host side: the contract that an adapter implements, and the verbs written over it."""

from underpaint.host.adapter import (
    Canvas,
    Capability,
    HostAdapter,
    Layer,
    Notice,
    Result,
    ResultKind,
)
from underpaint.host.control_offers import (
    AS_IT_IS,
    ControlOffers,
    ControlPlace,
    control_models_for,
    control_offers,
    role_title,
    roles_of,
    why_no_controls,
)
from underpaint.host.control_rows import MOST_ROWS, ControlRow, pack_rows, unpack_rows
from underpaint.host.controls import AttachedControl, AttachedMask
from underpaint.host.extensions import Extensions, load_extensions, standard_verbs, values_for
from underpaint.host.islands import AttachedIslands, IslandReader, islands_from
from underpaint.host.lora_rows import (
    MOST_LORAS,
    lora_problem,
    lora_title,
    lora_tooltip,
    loras_for,
    new_lora,
    pack_loras,
    preset_problem,
    preset_tooltip,
    presets_for,
    unpack_loras,
)
from underpaint.host.mainthread import HoldMeter, MainThreadQueue
from underpaint.host.margins import Margins
from underpaint.host.offers import fields_of, missing, start_verb, tooltip_of
from underpaint.host.protocol import ClientProtocol, JobHandle
from underpaint.host.region_offers import RegionOffers, region_offers, why_no_regions
from underpaint.host.region_rows import MOST_REGIONS, RegionRow, pack_regions, unpack_regions
from underpaint.host.regions import AttachedRegion
from underpaint.host.session import Session
from underpaint.host.settings import Settings
from underpaint.host.task import Task, TaskState
from underpaint.host.words import describe
from underpaint.provenance import remembered

__all__ = [
    "AS_IT_IS",
    "MOST_LORAS",
    "MOST_REGIONS",
    "MOST_ROWS",
    "AttachedControl",
    "AttachedIslands",
    "AttachedMask",
    "AttachedRegion",
    "Canvas",
    "Capability",
    "ClientProtocol",
    "ControlOffers",
    "ControlPlace",
    "ControlRow",
    "Extensions",
    "HoldMeter",
    "HostAdapter",
    "IslandReader",
    "JobHandle",
    "Layer",
    "MainThreadQueue",
    "Margins",
    "Notice",
    "RegionOffers",
    "RegionRow",
    "Result",
    "ResultKind",
    "Session",
    "Settings",
    "Task",
    "TaskState",
    "control_models_for",
    "control_offers",
    "describe",
    "fields_of",
    "islands_from",
    "load_extensions",
    "lora_problem",
    "lora_title",
    "lora_tooltip",
    "loras_for",
    "missing",
    "new_lora",
    "pack_loras",
    "pack_regions",
    "pack_rows",
    "preset_problem",
    "preset_tooltip",
    "presets_for",
    "region_offers",
    "remembered",
    "role_title",
    "roles_of",
    "standard_verbs",
    "start_verb",
    "tooltip_of",
    "unpack_loras",
    "unpack_regions",
    "unpack_rows",
    "values_for",
    "why_no_controls",
    "why_no_regions",
]
