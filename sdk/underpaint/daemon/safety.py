"""Safety filters at work: a request is refused before it is queued, and again before it runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from underpaint.daemon.models import ModelIndex
from underpaint.daemon.policy import Policy
from underpaint.errors import ContentRefused, UnderpaintError
from underpaint.hookspecs import SafetyFilter
from underpaint.v1.job_service_pb2 import JobSpec
from underpaint.wire.plain import to_plain
from underpaint.worker_v1.worker_service_pb2 import PluginFunction

log = structlog.get_logger(__name__)

CAPABILITY = "safety-filter"


class Safety:
    """The filters that are on. Without any, nothing is looked at. `chosen` is what the user turned on."""

    def __init__(self, policy: Policy, chosen: Sequence[str], models: ModelIndex) -> None:
        self._names = tuple(dict.fromkeys((*policy.filters, *chosen)))
        self._options = policy.options
        self._models = models

    @property
    def capabilities(self) -> tuple[str, ...]:
        """For GetServerInfo: "safety-filter" and "safety-filter-NAME" for each that is on, () if none is."""
        return (CAPABILITY, *(f"{CAPABILITY}-{name}" for name in self._names)) if self._names else ()

    async def check_request(self, spec: JobSpec) -> None:
        """Raises ContentRefused if a filter refuses a resolved specification, or cannot be asked."""
        if not self._names:
            return
        request = to_plain(spec)
        for found in await self._filters():
            if found.check_request is None:
                continue
            reason = await asyncio.to_thread(_ask, found, request, self._of(found.name))
            if reason:
                log.info("request refused", filter=found.name)
                raise ContentRefused(reason, metadata={"filter": found.name})

    async def picture_checks(self) -> list[PluginFunction]:
        """What a worker asks about each picture. Raises ContentRefused if a filter is not there."""
        return [
            PluginFunction(
                name=found.name, engine=found.check_picture, options_json=json.dumps(self._of(found.name))
            )
            for found in (await self._filters() if self._names else ())
            if found.check_picture
        ]

    async def _filters(self) -> list[SafetyFilter]:
        offered = (await self._models.plugins()).safety_filters
        for name in self._names:
            if name not in offered:
                raise ContentRefused(
                    f"The safety filter {name!r} is turned on and is not there, so nothing is painted. Run "
                    "'underpaint plugins -v' to see why, or have the policy file or "
                    "UNDERPAINT_SAFETY_FILTERS changed.",
                    metadata={"filter": name},
                )
        return [offered[name] for name in self._names]

    def _of(self, name: str) -> Mapping[str, Any]:
        return self._options.get(name, {})


def _ask(found: SafetyFilter, request: Mapping[str, object], options: Mapping[str, Any]) -> str:
    assert found.check_request is not None
    try:
        return str(found.check_request(request, options) or "")
    except UnderpaintError as error:
        raise ContentRefused(error.message, metadata={"filter": found.name}) from error
    except Exception as error:
        log.exception("safety filter failed", filter=found.name)
        raise ContentRefused(
            f"The safety filter {found.name!r} failed ({type(error).__name__}: {error}) and lets nothing "
            "pass. The daemon's log has the traceback: repair its plug-in, or turn it off.",
            metadata={"filter": found.name},
        ) from error
