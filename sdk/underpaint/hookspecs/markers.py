"""How a plug-in says what it is."""

from __future__ import annotations

from typing import Final

import pluggy

PROJECT: Final = "underpaint"
ENGINE_GROUP: Final = "underpaint.engine"
"""Entry points with hooks of `EngineSpecs`."""
HOSTS_GROUP: Final = "underpaint.hosts"
"""Entry points with hooks of `HostSpecs`."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
