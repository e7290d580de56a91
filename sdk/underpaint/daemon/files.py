"""One weight file, looked at without loading it: what it is, which family runs it, or why none. Blocking."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import structlog

from underpaint.daemon.previews import tiny_problem
from underpaint.daemon.roots.walk import Entry
from underpaint.daemon.scan import SERVES, STEERS, FoundModel
from underpaint.errors import ModelUnusable
from underpaint.hookspecs import Companions, FamilyDescriptor, ModelTraits
from underpaint.weights import Probe, kinds

log = structlog.get_logger(__name__)


def file_kind(entry: Entry, probe: Probe) -> str:
    """What its header says; else what its owner keeps in that folder."""
    if probe.kind != kinds.UNKNOWN:
        return probe.kind
    return entry.kind if entry.kind and entry.kind != kinds.PIPELINE else kinds.UNKNOWN


def file_name(entry: Entry, kind: str) -> str:
    """How it is named: only what paints may be named without its kind."""
    return entry.name if kind in kinds.PAINTS else f"{kind}:{entry.name}"


def look_at_file(
    name: str,
    path: Path,
    size_bytes: int,
    probe: Probe,
    kind: str,
    families: Sequence[FamilyDescriptor],
    companions: Companions,
) -> FoundModel:
    """Never raises for what is wrong with the file itself."""
    family, traits, problem = None, None, probe.problem
    if not problem:
        try:
            family, traits = _recognised(path, probe, families, companions)
            if kind == kinds.TINY_VAE:
                problem = tiny_problem(name, path)
            else:
                problem = "" if traits is not None else _unknown(kind, probe, families)
        except ModelUnusable as error:
            problem = error.message
    return FoundModel(name, path, family, traits, size_bytes, problem, kind, probe.family)


def _recognised(
    path: Path, probe: Probe, families: Sequence[FamilyDescriptor], companions: Companions
) -> tuple[FamilyDescriptor | None, ModelTraits | None]:
    for family in families:
        if family.recognise_file is None:
            continue
        try:
            traits = family.recognise_file(path, probe, companions)
        except ModelUnusable:
            raise
        except Exception as error:
            # A plug-in's reader stumbled over this file: the others are still listed.
            log.exception("family cannot read a file", family=family.name, file=str(path))
            raise ModelUnusable(f"the family {family.name} cannot read {path}: {error!r}") from error
        if traits is not None:
            return family, traits
    return None, None


def _unknown(kind: str, probe: Probe, families: Sequence[FamilyDescriptor]) -> str:
    if kind == kinds.UNKNOWN:
        return "what it is cannot be told from the names and shapes of its tensors"
    if kind in kinds.STEERS:
        return STEERS
    if kind == kinds.IMAGE_ENCODER:
        return SERVES
    if kind in (kinds.LORA, kinds.EMBEDDING):
        return ""
    if kind in (kinds.UPSCALER, kinds.ESTIMATOR):
        return ""  # no family's: upscaling and preprocessors find and run them
    if kind != kinds.CHECKPOINT:
        return f"this version finds, but cannot use, files of the kind {kind}"
    known = ", ".join(family.title for family in families if family.recognise_file is not None) or "none"
    what = "an unknown family" if probe.family == kinds.UNKNOWN else probe.family
    return f"no engine runs {what} from a single file; known are: {known}"
