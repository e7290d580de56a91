"""Records of how pictures were made, as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from datetime import datetime
from typing import Final

from underpaint.types import Bounds, JobUpdate, Provenance

VERSION: Final = 1
MAX_RECORDS: Final = 200
"""A document keeps so many; the oldest go first. A record is about a kilobyte."""
_WORDS: Final = ("prompt", "negative_prompt")


def provenance_of(update: JobUpdate) -> Provenance | None:
    """The record of a job that a worker has taken; None before."""
    if not update.resolved:
        return None
    made = next(iter(update.results), None)
    return Provenance(
        request=_lasting(update.resolved),
        model_sha256=update.model_sha256,
        engine_version=update.engine_version,
        created=update.created,
        place=Bounds(made.x, made.y, made.width, made.height) if made is not None else None,
    )


def without_words(record: Provenance) -> Provenance:
    """The same without what somebody typed: no prompts, of regions neither."""
    return replace(record, request=_wordless(record.request))


def to_json(records: Sequence[Provenance]) -> str:
    """ASCII JSON in one line, oldest first: `{"version": 1, "pictures": [{"request": …}, …]}`."""
    pictures = [
        {
            "request": dict(record.request),
            "model_sha256": dict(record.model_sha256),
            "engine": record.engine_version,
            "created": record.created.isoformat() if record.created else None,
            "place": astuple(record.place) if record.place else None,
        }
        for record in records
    ]
    # ASCII: the one form that PNG, XML and every host's notes hold alike.
    return json.dumps({"version": VERSION, "pictures": pictures}, separators=(",", ":"))


def from_json(text: str) -> tuple[Provenance, ...]:
    """What `to_json` wrote; () for anything else, and no entry that is none: files come from anywhere."""
    try:
        found = json.loads(text)
        pictures = found["pictures"] if found["version"] == VERSION else []
        return tuple(_record(entry) for entry in pictures if _is_record(entry))
    except (ValueError, KeyError, TypeError, RecursionError):
        return ()


def remembered(before: str, record: Provenance) -> str:
    """A document's records with one more: what an adapter stores where its host keeps notes."""
    return to_json([*from_json(before), record][-MAX_RECORDS:])


def _is_record(entry: object) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("request"), dict):
        return False
    hashes, made, place = entry.get("model_sha256", {}), entry.get("created"), entry.get("place")
    return (
        isinstance(hashes, dict)
        and (made is None or isinstance(made, str))
        and (place is None or (isinstance(place, list) and [type(edge) for edge in place] == [int] * 4))
    )


def _record(entry: Mapping[str, object]) -> Provenance:
    request, hashes = entry["request"], entry.get("model_sha256", {})
    made, place = entry.get("created"), entry.get("place")
    assert isinstance(request, dict) and isinstance(hashes, dict)  # see _is_record
    return Provenance(
        request=request,
        model_sha256={str(path): str(digest) for path, digest in hashes.items()},
        engine_version=str(entry.get("engine", "")),
        created=datetime.fromisoformat(made) if isinstance(made, str) else None,
        place=Bounds(*place) if isinstance(place, list) else None,
    )


def _lasting(value: Mapping[str, object]) -> dict[str, object]:
    """Without the handles of pixels: they end with the job and would only look like something."""
    return {key: _without_blobs(item) for key, item in value.items() if key != "blob"}


def _without_blobs(value: object) -> object:
    if isinstance(value, Mapping):
        return _lasting(value)
    if isinstance(value, (list, tuple)):
        return [_without_blobs(item) for item in value]
    return value


def _wordless(value: Mapping[str, object]) -> dict[str, object]:
    made: dict[str, object] = {}
    for key, item in value.items():
        if key in _WORDS:
            continue
        if isinstance(item, Mapping):
            made[key] = _wordless(item)
        elif isinstance(item, (list, tuple)):
            made[key] = [_wordless(one) if isinstance(one, Mapping) else one for one in item]
        else:
            made[key] = item
    return made
