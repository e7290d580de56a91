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
    control_offers,
    role_title,
    roles_of,
    why_no_controls,
)
from underpaint.host.control_rows import MOST_ROWS, ControlRow, pack_rows, unpack_rows
from underpaint.host.controls import AttachedControl
from underpaint.host.extensions import Extensions, load_extensions, values_for
from underpaint.host.mainthread import HoldMeter, MainThreadQueue
from underpaint.host.margins import Margins
from underpaint.host.offers import fields_of, missing, start_verb, tooltip_of
from underpaint.host.protocol import ClientProtocol, JobHandle
from underpaint.host.regions import AttachedRegion
from underpaint.host.session import Session
from underpaint.host.settings import Settings
from underpaint.host.task import Task, TaskState
from underpaint.host.words import describe
from underpaint.provenance import remembered

__all__ = [
    "AS_IT_IS",
    "MOST_ROWS",
    "AttachedControl",
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
    "JobHandle",
    "Layer",
    "MainThreadQueue",
    "Margins",
    "Notice",
    "Result",
    "ResultKind",
    "Session",
    "Settings",
    "Task",
    "TaskState",
    "control_offers",
    "describe",
    "fields_of",
    "load_extensions",
    "missing",
    "pack_rows",
    "remembered",
    "role_title",
    "roles_of",
    "start_verb",
    "tooltip_of",
    "unpack_rows",
    "values_for",
    "why_no_controls",
]
