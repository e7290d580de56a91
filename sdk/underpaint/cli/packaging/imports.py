"""What a Python source imports, and where: read from its syntax tree, nothing is executed."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass

ImportNode = ast.Import | ast.ImportFrom | ast.Call


@dataclass(frozen=True, slots=True)
class Import:
    """One import of one module.

    `module` is absolute, also when the source says it relatively. `names` are what a `from` import takes
    out of it (submodules or attributes, "*" left out). `optional` means that the source survives its
    absence (`try` … `except ImportError`), `typing_only` that it runs for type checkers alone.
    """

    module: str
    names: tuple[str, ...]
    line: int
    optional: bool
    typing_only: bool
    node: ImportNode


def decode(source: bytes) -> str:
    """A source file's text, by its coding cookie or mark; line ends become \\n."""
    encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
    return source.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def imports_of(tree: ast.Module, name: str, *, is_package: bool) -> list[Import]:
    """Every import in a module called `name`, in the order of the source; `tree` is its syntax tree."""
    package = name if is_package else name.rpartition(".")[0]
    return list(_walk(tree, package, optional=False, typing_only=False))


def literal(node: ast.expr) -> str | None:
    """The text of a string constant, else None."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def is_dynamic(call: ast.Call) -> bool:
    """True for calls of import_module and __import__, however they are reached."""
    function = call.func
    called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return called in {"import_module", "__import__"}


def _walk(node: ast.AST, package: str, *, optional: bool, typing_only: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(alias.name, (), node.lineno, optional, typing_only, node)
    elif isinstance(node, ast.ImportFrom):
        names = tuple(alias.name for alias in node.names if alias.name != "*")
        yield Import(_absolute(node, package), names, node.lineno, optional, typing_only, node)
    elif isinstance(node, ast.Call) and is_dynamic(node) and node.args:
        module = literal(node.args[0])
        if module is not None and not module.startswith("."):
            yield Import(module, (), node.lineno, optional, typing_only, node)
    for child, child_optional, child_typing in _children(node):
        yield from _walk(
            child, package, optional=optional or child_optional, typing_only=typing_only or child_typing
        )


def _children(node: ast.AST) -> Iterator[tuple[ast.AST, bool, bool]]:
    guarded: list[ast.stmt] = []
    typed: list[ast.stmt] = []
    if isinstance(node, ast.Try) and any(_catches_import_error(handler.type) for handler in node.handlers):
        guarded = node.body
    elif isinstance(node, ast.With):
        guarded = node.body if any(_suppresses(item.context_expr) for item in node.items) else []
    elif isinstance(node, ast.If) and _names(node.test) == {"TYPE_CHECKING"}:
        typed = node.body
    for child in ast.iter_child_nodes(node):
        yield child, child in guarded, child in typed


def _catches_import_error(kind: ast.expr | None) -> bool:
    return kind is None or bool(
        _names(kind) & {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
    )


def _suppresses(context: ast.expr) -> bool:
    return (
        isinstance(context, ast.Call)
        and "suppress" in _names(context.func)
        and any(_catches_import_error(argument) for argument in context.args)
    )


def _names(node: ast.expr) -> set[str]:
    """The last parts of the names in an expression that is a name, a dotted name or a tuple of those."""
    if isinstance(node, ast.Tuple):
        return {name for element in node.elts for name in _names(element)}
    if isinstance(node, ast.Attribute):
        return {node.attr}
    return {node.id} if isinstance(node, ast.Name) else set()


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    base = parts[: len(parts) - (node.level - 1)]
    return ".".join([*base, *([node.module] if node.module else [])])
