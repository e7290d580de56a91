"""The public API as text: a line a name, with its signature. Run as a module, it writes the list."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import griffe

from docs.generate.python import public_modules, public_names

SNAPSHOT = Path(__file__).with_name("public_api.txt")
HEADER = "# Every public name with its signature. Written by: make api. The rule: docs/decisions/0008.\n"


def snapshot() -> str:
    """What the code offers now."""
    lines = [line for module in public_modules() for line in _module(module)]
    return HEADER + "\n".join(lines) + "\n"


def _module(module: str) -> Iterator[str]:
    for name, found in sorted(public_names(module)):
        if module == "underpaint":
            yield f"{module}.{name}"  # its signature stands in the module that it comes from
        else:
            yield from _object(f"{module}.{name}", found)


def _object(path: str, found: griffe.Object | griffe.Alias) -> Iterator[str]:
    if isinstance(found, griffe.Function):
        yield f"{path}{_signature(found)}"
    elif isinstance(found, griffe.Attribute):
        value = f" = {found.value}" if _counts(found) else ""
        annotation = f": {found.annotation}" if found.annotation else ""
        yield f"{path}{annotation}{value}"
    elif isinstance(found, griffe.Class):
        bases = f"({', '.join(str(base) for base in found.bases)})" if found.bases else ""
        yield f"class {path}{bases}{_parameters(found)}"
        for name, member in sorted(found.members.items()):
            if not name.startswith("_") and not member.is_alias:
                yield from _object(f"{path}.{name}", member)


def _counts(attribute: griffe.Attribute) -> bool:
    """Whether an attribute's value is part of the promise: an enum's member, a constant, a default."""
    return attribute.value is not None and len(str(attribute.value)) < 120


def _parameters(found: griffe.Class) -> str:
    parameters = [parameter for parameter in found.parameters if parameter.name != "self"]
    return f" <- ({', '.join(map(_parameter, parameters))})" if parameters else ""


def _signature(found: griffe.Function) -> str:
    parameters = ", ".join(_parameter(parameter) for parameter in found.parameters)
    awaited = "async " if "async" in found.labels else ""
    return f"({parameters}) -> {awaited}{found.returns or '?'}"


def _parameter(parameter: griffe.Parameter) -> str:
    kind = {
        griffe.ParameterKind.var_positional: "*",
        griffe.ParameterKind.var_keyword: "**",
        griffe.ParameterKind.keyword_only: "kw ",
    }.get(parameter.kind or griffe.ParameterKind.positional_or_keyword, "")
    annotation = f": {parameter.annotation}" if parameter.annotation else ""
    default = "" if parameter.default is None or kind in ("*", "**") else f" = {parameter.default}"
    return f"{kind}{parameter.name}{annotation}{default}"


if __name__ == "__main__":
    SNAPSHOT.write_text(snapshot(), "utf-8")
    print(f"{SNAPSHOT}: {len(snapshot().splitlines()) - 1} names")
