"""The daemon and what it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A process that owns one device."""

    device: str
    state: str
    pid: int = 0
    problem: str = ""
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """The daemon as it describes itself."""

    version: str
    protocol_minimum: int
    protocol_maximum: int
    pid: int
    started: datetime | None = None
    workers: tuple[WorkerInfo, ...] = ()
    capabilities: tuple[str, ...] = ()
    active_jobs: int = 0


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """A plug-in; `problem` is its traceback if it, or one of its hooks, is broken."""

    name: str
    distribution: str = ""
    hooks: tuple[str, ...] = ()
    problem: str = ""
    blocked: bool = False
    """Left out because the block or allow list says so; not even imported."""
