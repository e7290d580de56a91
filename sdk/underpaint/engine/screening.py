"""Safety filters that look at pictures: before anything is written, and never by changing one."""

from __future__ import annotations

import json
from collections.abc import Sequence

from underpaint.engine.family import Picture
from underpaint.engine.functions import blaming, load
from underpaint.engine.pixels import Raster, canonicalise
from underpaint.errors import ContentRefused
from underpaint.v1.job_service_pb2 import JobSpec
from underpaint.wire.plain import to_plain
from underpaint.worker_v1.worker_service_pb2 import PluginFunction


def screen(pictures: Sequence[Picture], spec: JobSpec, checks: Sequence[PluginFunction]) -> None:
    """Raises `ContentRefused` if a filter says no, `PluginFailed` if one cannot say: no picture is kept."""
    for check in checks:
        look = load(check)
        options = json.loads(check.options_json or "{}")
        for picture in pictures:
            seen = canonicalise(Raster(picture.samples, picture.format))
            with blaming(check.name):
                reason = str(look(seen, to_plain(spec), options) or "")
            if reason:
                raise ContentRefused(
                    f"The safety filter {check.name!r} refused the picture: {reason}",
                    metadata={"filter": check.name},
                )
