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
from underpaint.host.controls import AttachedControl
from underpaint.host.extensions import Extensions, load_extensions, values_for
from underpaint.host.mainthread import HoldMeter, MainThreadQueue
from underpaint.host.offers import fields_of, missing, start_verb, tooltip_of
from underpaint.host.protocol import ClientProtocol, JobHandle
from underpaint.host.regions import AttachedRegion
from underpaint.host.session import Session
from underpaint.host.settings import Settings
from underpaint.host.task import Task, TaskState
from underpaint.host.words import describe
from underpaint.provenance import remembered

__all__ = [
    "AttachedControl",
    "AttachedRegion",
    "Canvas",
    "Capability",
    "ClientProtocol",
    "Extensions",
    "HoldMeter",
    "HostAdapter",
    "JobHandle",
    "Layer",
    "MainThreadQueue",
    "Notice",
    "Result",
    "ResultKind",
    "Session",
    "Settings",
    "Task",
    "TaskState",
    "describe",
    "fields_of",
    "load_extensions",
    "missing",
    "remembered",
    "start_verb",
    "tooltip_of",
    "values_for",
]
