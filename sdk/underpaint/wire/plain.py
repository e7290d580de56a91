"""Protobuf messages as plain values, and times."""

from __future__ import annotations

from collections.abc import MutableMapping, MutableSequence
from datetime import datetime, timezone
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp


def to_plain(message: Message) -> dict[str, object]:
    """A message as JSON-like values under the protocol's field names.

    Unset optional fields and unset messages are left out, all others are there; whole numbers stay whole
    numbers (JSON's own mapping makes text of 64-bit ones), enums become their names, bytes stay bytes.
    """
    plain: dict[str, object] = {}
    for field in message.DESCRIPTOR.fields:
        if field.has_presence and not message.HasField(field.name):
            continue
        value = getattr(message, field.name)
        # Told by the value: descriptors of newer protobuf have no `label` any more.
        if isinstance(value, MutableMapping):
            plain[field.name] = dict(value)
        elif isinstance(value, MutableSequence):
            plain[field.name] = [_value(field.enum_type, item) for item in value]
        else:
            plain[field.name] = _value(field.enum_type, value)
    return plain


def time_from(holder: Message, field: str) -> datetime | None:
    """A timestamp field as a UTC time; None if it is unset."""
    if not holder.HasField(field):
        return None
    stamp: Timestamp = getattr(holder, field)
    return stamp.ToDatetime(tzinfo=timezone.utc)


def _value(enum: Any, value: Any) -> object:
    if isinstance(value, Message):
        return to_plain(value)
    if enum is not None:
        known = enum.values_by_number.get(value)
        return known.name if known is not None else value
    return value
