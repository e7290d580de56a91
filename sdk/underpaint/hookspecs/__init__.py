"""The hooks, all with the prefix `underpaint_`. Implement them with `hookimpl`.

The daemon's and the workers' side (`EngineSpecs`) loads the entry point group `underpaint.engine`, the
host's side (`HostSpecs`) the group `underpaint.hosts`. Plug-ins run with the user's rights.
"""

from __future__ import annotations

from underpaint.hookspecs.engine import EngineSpecs
from underpaint.hookspecs.families import Companions, ControlTraits, FamilyDescriptor, ModelTraits
from underpaint.hookspecs.host import HostSpecs
from underpaint.hookspecs.markers import ENGINE_GROUP, HOSTS_GROUP, PROJECT, hookimpl, hookspec
from underpaint.hookspecs.presets import Preset, PresetLora
from underpaint.hookspecs.processors import PostprocessorDescriptor, PreprocessorDescriptor
from underpaint.hookspecs.safety import SafetyFilter
from underpaint.hookspecs.verbs import ControlSource, Verb

__all__ = [
    "ENGINE_GROUP",
    "HOSTS_GROUP",
    "PROJECT",
    "Companions",
    "ControlSource",
    "ControlTraits",
    "EngineSpecs",
    "FamilyDescriptor",
    "HostSpecs",
    "ModelTraits",
    "PostprocessorDescriptor",
    "PreprocessorDescriptor",
    "Preset",
    "PresetLora",
    "SafetyFilter",
    "Verb",
    "hookimpl",
    "hookspec",
]
