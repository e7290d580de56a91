# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes type stubs for Krita's Python module, from what the running module says of itself.

Runs inside Krita 5.2 or later (5.1's docstrings leave the arguments' names out): the host tests
call ``stub()`` there, and a person can paste this file into Krita's Scripter and read the output.
The signatures are SIP's own docstrings; the few things they get wrong are in ``CORRECTIONS``.
"""

from __future__ import annotations

import ast
import inspect
import keyword
import re
from collections.abc import Iterator
from typing import Any

HEADER = '''\
# SPDX-License-Identifier: GPL-3.0-or-later
# Written by generate.py, beside this package, in Krita {version}. Do not edit: run it again.
# ruff: noqa
# fmt: off
"""The Python module of Krita {version}.

Arguments are positional: SIP refuses keywords, and a constructor that is given one crashes Krita.
"""

from collections.abc import Iterable
from typing import Any, ClassVar, overload

from PyQt5.QtCore import {core}
from PyQt5.QtGui import {gui}
from PyQt5.QtWidgets import {widgets}
'''

# SIP calls every pointer Optional. Where the C++ side never passes or returns a null pointer, and
# where a class is written in Python and so has no docstring of SIP's, we say what is true.
CORRECTIONS = {
    "Krita.instance": "instance() -> Krita",
    "Krita.notifier": "notifier(self) -> Notifier",
    "Extension.createActions": "createActions(self, window: Window)",
    "DockWidgetFactory": (
        "DockWidgetFactory(_id: str, _dockPosition: DockWidgetFactoryBase.DockPosition, "
        "_klass: type[DockWidget])"
    ),
}

# Krita hides a method of Qt's with one of another type, which the type system has no word for.
HIDES_QT = {"GroupShape.children", "InfoObject.setProperty", "PaletteView.setPalette"}


def stub() -> str:
    """Return the whole stub file."""
    import krita
    from PyKrita import krita as native
    from PyQt5 import QtCore, QtGui, QtWidgets

    classes = {name: item for name, item in vars(native).items() if inspect.isclass(item)}
    classes["DockWidgetFactory"] = krita.DockWidgetFactory
    body = "\n".join("\n".join(_class(classes[name])) for name in sorted(classes))
    used = {node.id for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)}
    imports = {
        key: ", ".join(sorted(used & set(vars(module)) - set(classes)))
        for key, module in [("core", QtCore), ("gui", QtGui), ("widgets", QtWidgets)]
    }
    version = ".".join(krita.Krita.instance().version().split(".")[:2])
    return HEADER.format(version=version, **imports) + "\n" + body


def _class(item: type) -> Iterator[str]:
    """Yield the lines of one class."""
    bases = [base.__name__ for base in item.__bases__ if base.__module__ != "sip"]
    yield f"class {item.__name__}({', '.join(bases)}):" if bases else f"class {item.__name__}:"
    lines = [*_init(item)]
    for name, member in sorted(vars(item).items()):
        lines += _member(item, name, member)
    yield from (f"    {line}" for line in lines or ["..."])
    yield ""


def _init(item: type) -> Iterator[str]:
    text = CORRECTIONS.get(item.__name__, item.__doc__)
    if text:  # SIP documents constructors on the class, and says nothing where there is none
        made = text.replace(f"{item.__name__}()", "__init__(self)")
        made = re.sub(rf"^{item.__name__}\(", "__init__(self, ", made, flags=re.MULTILINE)
        yield from _functions(made.split("\n"))


def _member(item: type, name: str, member: Any) -> Iterator[str]:
    kind = type(member).__name__
    if kind == "methoddescriptor":
        path = f"{item.__name__}.{name}"
        text = CORRECTIONS.get(path) or getattr(item, name).__doc__
        ignore = "  # type: ignore[override]" if path in HIDES_QT else ""
        yield from (line + ignore for line in _functions(text.split("\n")))
    elif kind == "pyqtSignal":
        yield f"{name}: ClassVar[pyqtSignal]  # {', '.join(member.signatures)}"
    elif kind == "enumtype":
        yield f"class {name}(int): ..."
    elif type(getattr(item, kind, None)).__name__ == "enumtype":
        yield f"{name}: ClassVar[{item.__name__}.{kind}]"
    elif name == "__hash__" and member is None:
        yield "__hash__: ClassVar[None]  # type: ignore[assignment]"


def _functions(signatures: list[str]) -> Iterator[str]:
    for signature in signatures:
        if len(signatures) > 1:
            yield "@overload"
        function = _parse(signature)
        if not function.args.posonlyargs or function.args.posonlyargs[0].arg != "self":
            yield "@staticmethod"
        yield ast.unparse(function).replace(":\n    ...", ": ...")


def _parse(signature: str) -> ast.FunctionDef:
    """Turn SIP's line into a function: modern unions, no defaults' values, positional only."""
    call, _, returned = signature.partition(" -> ")
    function = ast.parse(f"def {call} -> {returned or 'None'}: ...").body[0]
    assert isinstance(function, ast.FunctionDef)
    Modern().visit(function)
    arguments = function.args
    for argument in arguments.args:
        if keyword.iskeyword(argument.arg):
            argument.arg += "_"
    arguments.posonlyargs, arguments.args = arguments.args, []
    arguments.defaults = [ast.Constant(...) for _ in arguments.defaults]
    return ast.fix_missing_locations(function)


class Modern(ast.NodeTransformer):
    """``Optional[A]`` and ``Union[A, B]`` as ``A | None`` and ``A | B``."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        """Rewrite one subscript."""
        self.generic_visit(node)
        name = node.value.id if isinstance(node.value, ast.Name) else ""
        if name == "Optional":
            return ast.BinOp(node.slice, ast.BitOr(), ast.Constant(None))
        if name == "Union" and isinstance(node.slice, ast.Tuple):
            first, *others = node.slice.elts
            for other in others:
                first = ast.BinOp(first, ast.BitOr(), other)
            return first
        return node


if __name__ == "__main__":
    print(stub())
