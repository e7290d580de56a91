"""Reasons of errors, from the protocol's enum with its comments and from the tree of exceptions."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import NamedTuple

from docs.generate.protocol import enum_values
from docs.generate.python import public_names
from underpaint import errors

PREFIX = "ERROR_REASON_"
_COMMENT = re.compile(
    r"(?P<code>[A-Z_]+)(?P<clients>, raised by clients only)?(?: (?P<metadata>\{.*?\}))?\. (?P<rest>.*)"
)


class Reason(NamedTuple):
    """One reason: its gRPC code, an example of its metadata, what to do, and the class that stands for it."""

    name: str
    code: str
    clients_only: bool
    metadata: str
    text: str
    kind: type[errors.UnderpaintError]


def reasons() -> Iterator[Reason]:
    """Every reason in the protocol's order."""
    for value, comment in enum_values("underpaint.v1.ErrorReason"):
        name = value.removeprefix(PREFIX)
        if name == "UNSPECIFIED":
            continue
        found = _COMMENT.fullmatch(comment)
        if found is None:
            raise ValueError(
                f"the comment of {value} must begin with a gRPC code and say what to do: {comment}"
            )
        kind = type(errors.for_reason(name, ""))
        yield Reason(
            name, found["code"], bool(found["clients"]), found["metadata"] or "", found["rest"], kind
        )


def page() -> str:
    """The page."""
    tree = (inspect.getdoc(errors) or "").partition("\n\n")[2].partition("\n\nEach class")[0]
    parts = [
        "# Errors\n",
        "Everything that underpaint raises on purpose is an `UnderpaintError`. `str(error)` is a sentence "
        "for people and says what to do; `error.reason` and `error.metadata` are for programs. On the wire "
        "an error is a `google.rpc.Status` with one `ErrorInfo` whose `reason` is one of these names "
        "([how to read it in another language](../../protocol/index.md#errors)).\n",
        "## The tree\n",
        f"```text\n{tree}\n```\n",
        "## Reasons\n",
    ]
    for reason in reasons():
        where = "raised by clients and adapters only" if reason.clients_only else "sent by the daemon"
        parts.append(f"### {reason.name} {{ #{reason.name} }}\n")
        parts.append(f"{reason.text}\n")
        kind = reason.kind.__name__
        parts.append(f"[`{kind}`][underpaint.errors.{kind}], gRPC code `{reason.code}`, {where}.")
        parts.append(f"Metadata, for example: `{reason.metadata}`.\n" if reason.metadata else "")
    parts.append("## Classes\n")
    for name, _ in public_names("underpaint.errors"):
        parts.append(f"::: underpaint.errors.{name}\n    options:\n      heading_level: 3\n")
    return "\n".join(parts)
