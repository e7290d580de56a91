"""The protocol's pages, from the .proto files with their comments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc

PROTO = Path(__file__).resolve().parents[2] / "proto"
FOLDER = "underpaint/v1"
_MESSAGES, _ENUMS, _SERVICES, _NESTED, _FIELDS, _VALUES, _METHODS = 4, 5, 6, 3, 2, 2, 2
_TYPES = {number: name.removeprefix("TYPE_").lower() for name, number in FieldDescriptorProto.Type.items()}


@cache
def files() -> tuple[FileDescriptorProto, ...]:
    """The public protocol's files, with the comments of everything in them."""
    with TemporaryDirectory() as scratch:
        written = Path(scratch) / "image"
        sources = sorted(str(path) for path in (PROTO / FOLDER).glob("*.proto"))
        common = str(resources.files("grpc_tools") / "_proto")
        options = ["--include_source_info", f"--descriptor_set_out={written}"]
        if protoc.main(["protoc", f"-I{PROTO}", f"-I{common}", *options, *sources]) != 0:
            raise RuntimeError("protoc failed: its own words are above")
        return tuple(FileDescriptorSet.FromString(written.read_bytes()).file)


def pages() -> Mapping[str, Callable[[], str]]:
    """A page a file, by name."""
    return {Path(file.name).stem: partial(_page, file) for file in files()}


def enum_values(full_name: str) -> Iterator[tuple[str, str]]:
    """An enum's values with their comments, in one line each."""
    for file in files():
        comments = _comments(file)
        for index, found in enumerate(file.enum_type):
            if f"{file.package}.{found.name}" == full_name:
                for at, value in enumerate(found.value):
                    yield value.name, comments.get((_ENUMS, index, _VALUES, at), "")


def anchors() -> Iterator[str]:
    """Everything that has a place on some page: services, calls, messages, enums."""
    for file in files():
        for service in file.service:
            yield service.name
            yield from (f"{service.name}.{method.name}" for method in service.method)
        yield from (message.name for message in file.message_type)
        yield from (found.name for found in file.enum_type)


def _comments(file: FileDescriptorProto) -> dict[tuple[int, ...], str]:
    return {
        tuple(place.path): " ".join((place.leading_comments or place.trailing_comments).split())
        for place in file.source_code_info.location
        if place.leading_comments or place.trailing_comments
    }


def _page(file: FileDescriptorProto) -> str:
    comments = _comments(file)
    title = Path(file.name).stem.replace("_", " ").capitalize()
    parts = [f"# {title}\n", f"{comments[(2,)]}\n", f"Package `{file.package}`, file `proto/{file.name}`.\n"]
    for index, service in enumerate(file.service):
        parts.append(f"## {service.name} {{ #{service.name} }}\n")
        parts.append(f"{comments[_SERVICES, index]}\n")
        for at, method in enumerate(service.method):
            asked, given = _link(method.input_type, file), _link(method.output_type, file)
            asked = f"a stream of {asked}" if method.client_streaming else asked
            given = f"a stream of {given}" if method.server_streaming else given
            parts.append(f"### {method.name} {{ #{service.name}.{method.name} }}\n")
            parts.append(f"{comments[_SERVICES, index, _METHODS, at]} Takes {asked}, gives {given}.\n")
    if file.message_type:
        parts.append("## Messages\n")
    for index, message in enumerate(file.message_type):
        parts += _message(message, (_MESSAGES, index), comments, file, message.name)
    if file.enum_type:
        parts.append("## Enums\n")
    for index, found in enumerate(file.enum_type):
        parts.append(f"### {found.name} {{ #{found.name} }}\n")
        parts.append(f"{comments[_ENUMS, index]}\n")
        parts.append("| number | name | meaning |\n| --- | --- | --- |")
        for at, value in enumerate(found.value):
            meaning = _cell(comments[_ENUMS, index, _VALUES, at])
            parts.append(f"| {value.number} | `{value.name}` | {meaning} |")
        parts.append("")
    return "\n".join(parts)


def _message(
    message: Any,
    path: tuple[int, ...],
    comments: Mapping[tuple[int, ...], str],
    file: FileDescriptorProto,
    name: str,
) -> list[str]:
    parts = [f"### {name} {{ #{name} }}\n", f"{comments[path]}\n"]
    if message.field:
        parts.append("| number | field | type | meaning |\n| --- | --- | --- | --- |")
    for at, field in enumerate(message.field):
        meaning = _cell(comments[(*path, _FIELDS, at)])
        parts.append(f"| {field.number} | `{field.name}` | {_type(field, message, file)} | {meaning} |")
    parts.append("" if message.field else "No fields.\n")
    for at, nested in enumerate(message.nested_type):
        if not nested.options.map_entry:
            parts += _message(nested, (*path, _NESTED, at), comments, file, f"{name}.{nested.name}")
    return parts


def _type(field: FieldDescriptorProto, message: Any, file: FileDescriptorProto) -> str:
    for nested in message.nested_type:
        if nested.options.map_entry and field.type_name.endswith(f".{nested.name}"):
            key, value = nested.field
            return f"map of {_TYPES[key.type]} to {_type(value, nested, file)}"
    name = _link(field.type_name, file) if field.type_name else _TYPES[field.type]
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        return f"list of {name}"
    if field.proto3_optional:
        return f"optional {name}"
    if field.HasField("oneof_index"):
        return f"{name}, one of `{message.oneof_decl[field.oneof_index].name}`"
    return name


def _link(full_name: str, file: FileDescriptorProto) -> str:
    """A link to a message's or enum's place; other packages have their pages elsewhere."""
    package, _, rest = full_name.lstrip(".").partition(f"{file.package}.")
    if package:
        return f"`{full_name.lstrip('.')}`"
    name = rest.partition(".")[0]
    home = next(
        found
        for found in files()
        if name in {*(kind.name for kind in found.message_type), *(kind.name for kind in found.enum_type)}
    )
    page = "" if home.name == file.name else f"{Path(home.name).stem}.md"
    return f"[{rest}]({page}#{rest})"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
