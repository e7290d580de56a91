"""Turns the absolute imports among relocated modules into relative ones.

Only the import statements (and the few calls that import by name) are edited, in place: every other byte
of a source stays as its authors wrote it. What cannot be moved safely is refused by name, never skipped.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass

from underpaint.cli.packaging.imports import ImportNode, decode, imports_of, is_dynamic, literal
from underpaint.cli.packaging.relocation import Relocation, relative_path
from underpaint.errors import Unusable

_FROM = re.compile(rb"from[ \t]+(?P<module>[\w.]+)")


@dataclass(frozen=True, slots=True)
class _Edit:
    start: int
    end: int
    text: str


def rewrite(
    source: bytes, name: str, relocation: Relocation, *, is_package: bool, may_compute: bool = False
) -> str:
    """The source of module `name` as it must read at its new place. Raises `Unusable` if it cannot move.

    With `may_compute` it may import modules whose names are only known when it runs, none of which move.
    """
    text = decode(source)
    tree = ast.parse(text, name)
    module = _Module(text, name, relocation, is_package, may_compute)
    edits = [edit for node in ast.walk(tree) for edit in module.edits(node)]
    moved = _apply(text.encode(), edits).decode()
    if moved == text:
        return text
    left = [
        found
        for found in imports_of(ast.parse(moved, name), name, is_package=is_package)
        if _is_absolute(found.node) and relocation.target(found.module) is not None
    ]
    if left:
        raise _refusal(name, left[0].line, f"the import of {left[0].module} could not be made relative")
    return moved


class _Module:
    """One source on its way: finds the edits."""

    def __init__(
        self, text: str, name: str, relocation: Relocation, is_package: bool, may_compute: bool
    ) -> None:
        path = relocation.target(name)
        if path is None:
            raise Unusable(f"{name} has no place in the plug-in; this is a mistake in the packaging tables.")
        self._name = name
        self._relocation = relocation
        self._may_compute = may_compute
        self._package = path if is_package else path[:-1]
        self._source = text.encode()
        # ast counts lines and, within them, bytes of UTF-8.
        self._lines = [0]
        for line in self._source.split(b"\n"):
            self._lines.append(self._lines[-1] + len(line) + 1)

    def edits(self, node: ast.AST) -> Iterable[_Edit]:
        """What has to change at this node, its children aside."""
        if isinstance(node, ast.Import):
            return self._import(node)
        if isinstance(node, ast.ImportFrom):
            return self._import_from(node)
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.Subscript):
            self._refuse_sys_modules(node.value, node.slice)
        return ()

    def _import(self, node: ast.Import) -> list[_Edit]:
        if all(self._relocation.target(alias.name) is None for alias in node.names):
            return []
        statements = [part for alias in node.names for part in self._import_one(alias, node.lineno)]
        return [self._replace(node, "; ".join(statements))]

    def _import_one(self, alias: ast.alias, line: int) -> list[str]:
        if self._relocation.target(alias.name) is None:
            return [f"import {alias.name}" + (f" as {alias.asname}" if alias.asname else "")]
        if alias.asname:
            return [self._from_parent(alias.name, alias.asname, line)]
        # `import a.b` binds a and loads a.b: a becomes the relocated package, whose attribute b follows
        # from the second import, so that every dotted use goes on working as it is written.
        top = alias.name.partition(".")[0]
        bound = [self._from_parent(top, top, line)]
        if alias.name != top:
            bound.append(self._from_parent(alias.name, f"_loaded_{alias.name.replace('.', '_')}", line))
        return bound

    def _from_parent(self, module: str, asname: str, line: int) -> str:
        parent, _, last = module.rpartition(".")
        if parent:
            origin = self._relocation.relative(parent, self._package)
        else:
            path = self._relocation.target(module) or ()
            if not path:
                raise _refusal(self._name, line, f"write `from . import …` instead of `import {module}`")
            origin, last = relative_path(path[:-1], self._package), path[-1]
        if origin is None:
            raise _refusal(self._name, line, f"{parent} stays behind while {module} moves")
        return f"from {origin} import {last}" + (f" as {asname}" if asname != last else "")

    def _import_from(self, node: ast.ImportFrom) -> list[_Edit]:
        if node.level or not node.module:
            return []
        origin = self._relocation.relative(node.module, self._package)
        if origin is None:
            return []
        start = self._offset(node.lineno, node.col_offset)
        found = _FROM.match(self._source, start)
        if found is None or found["module"].decode() != node.module:
            raise _refusal(self._name, node.lineno, f"cannot read the import of {node.module}")
        return [_Edit(*found.span("module"), origin)]

    def _call(self, node: ast.Call) -> list[_Edit]:
        if isinstance(node.func, ast.Attribute) and node.args:
            self._refuse_sys_modules(node.func.value, node.args[0])
        edits = [
            # Generated protobuf code and the like pass the module's own name: it has another one now.
            self._replace(argument, "__name__")
            for argument in node.args
            if literal(argument) == self._name and "." in self._name and not is_dynamic(node)
        ]
        if is_dynamic(node) and node.args:
            edits += self._dynamic(node)
        return edits

    def _dynamic(self, node: ast.Call) -> list[_Edit]:
        module = literal(node.args[0])
        if module is None:
            if not self._may_compute and not _names_own_module(node.args[0]):
                raise _refusal(self._name, node.lineno, "it imports a module whose name is computed")
            return []
        origin = self._relocation.relative(module, self._package)
        if origin is None or module.startswith("."):
            return []
        if len(node.args) > 1 or node.keywords:
            raise _refusal(self._name, node.lineno, f"the import of {module} has more than one argument")
        if not (isinstance(node.func, ast.Name) and node.func.id == "__import__"):
            return [self._replace(node.args[0], f'"{origin}", __spec__.parent')]
        # __import__("a.b") loads a.b and returns a.
        top = self._relocation.relative(module.partition(".")[0], self._package)
        if top is None:
            raise _refusal(self._name, node.lineno, f"{module} moves without its parent")
        load = '__import__("importlib").import_module'
        calls = ", ".join(f'{load}("{name}", __spec__.parent)' for name in (origin, top))
        return [self._replace(node, f"({calls})[1]")]

    def _refuse_sys_modules(self, container: ast.expr, key: ast.expr) -> None:
        named = literal(key)
        if (
            isinstance(container, ast.Attribute)
            and container.attr == "modules"
            and named is not None
            and self._relocation.target(named) is not None
        ):
            raise _refusal(self._name, key.lineno, f"it looks for {named} in sys.modules")

    def _replace(self, node: ast.stmt | ast.expr, text: str) -> _Edit:
        end_line, end_column = node.end_lineno, node.end_col_offset
        if end_line is None or end_column is None:
            raise _refusal(self._name, node.lineno, "the parser gives no end for this line")
        return _Edit(self._offset(node.lineno, node.col_offset), self._offset(end_line, end_column), text)

    def _offset(self, line: int, column: int) -> int:
        return self._lines[line - 1] + column


def _apply(source: bytes, edits: Iterable[_Edit]) -> bytes:
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        source = source[: edit.start] + edit.text.encode() + source[edit.end :]
    return source


def _names_own_module(node: ast.expr) -> bool:
    """True for f"{__name__}.x" and the like: right wherever the module lies."""
    first = node.values[0] if isinstance(node, ast.JoinedStr) and node.values else node
    value = first.value if isinstance(first, ast.FormattedValue) else first
    return isinstance(value, ast.Name) and value.id in {"__name__", "__package__"}


def _is_absolute(node: ImportNode) -> bool:
    return not (isinstance(node, ast.ImportFrom) and node.level)


def _refusal(name: str, line: int, what: str) -> Unusable:
    return Unusable(
        f"{name}, line {line}, cannot be packed into a plug-in: {what}. "
        "Write that import as a plain `from … import …`, or install another version of the library."
    )
