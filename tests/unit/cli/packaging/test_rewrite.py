"""Sources before and after, by table; and what is refused."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underpaint.cli.packaging.relocation import Relocation, relative_path
from underpaint.cli.packaging.rewrite import rewrite
from underpaint.errors import Unusable

MOVES = Relocation({"plug": (), "h2": ("_vendor", "h2"), "google": ("_vendor", "google")})


def moved(source: str, name: str = "plug.ui", *, is_package: bool = False, may_compute: bool = False) -> str:
    return rewrite(source.encode(), name, MOVES, is_package=is_package, may_compute=may_compute)


@pytest.mark.parametrize(
    ("name", "is_package", "before", "after"),
    [
        ("plug.ui", False, "from h2.config import A", "from ._vendor.h2.config import A"),
        ("plug", True, "from h2.config import A", "from ._vendor.h2.config import A"),
        ("plug.deep.ui", False, "from h2 import config", "from .._vendor.h2 import config"),
        ("plug.ui", False, "from plug.adapter import B", "from .adapter import B"),
        ("plug.deep.ui", False, "from plug import adapter", "from .. import adapter"),
        ("plug.ui", False, "import plug.adapter as a", "from . import adapter as a"),
        ("h2.stream", False, "from h2 import config", "from . import config"),
        ("h2.stream", False, "from h2.config import A", "from .config import A"),
        ("h2", True, "from h2.config import A", "from .config import A"),
        ("h2.a.b", False, "import google.protobuf.x as y", "from ...google.protobuf import x as y"),
        ("h2.stream", False, "import h2", "from .. import h2"),
        ("h2.stream", False, "import h2 as two", "from .. import h2 as two"),
        ("h2.stream", False, "import os", "import os"),
        ("h2.stream", False, "import h20, h2x.y", "import h20, h2x.y"),
        ("h2.stream", False, "from . import config", "from . import config"),
        ("h2.stream", False, "from google import protobuf", "from ..google import protobuf"),
        ("h2.stream", False, "from google.protobuf import *", "from ..google.protobuf import *"),
        (
            "h2.stream",
            False,
            "import os, h2 as t, re as r",
            "import os; from .. import h2 as t; import re as r",
        ),
        (
            "google.protobuf.any",
            False,
            "import h2.config",
            "from ... import h2; from ...h2 import config as _loaded_h2_config",
        ),
        (
            "h2.stream",
            False,
            "from h2.config import (  # why\n    A,  # this\n    B as C,\n)\n",
            "from .config import (  # why\n    A,  # this\n    B as C,\n)\n",
        ),
        (
            "h2.stream",
            False,
            "importlib.import_module('h2.config')",
            'importlib.import_module(".config", __spec__.parent)',
        ),
        ("h2.stream", False, "importlib.import_module('os.path')", "importlib.import_module('os.path')"),
        (
            "h2.stream",
            False,
            "import_module('.config', __package__)",
            "import_module('.config', __package__)",
        ),
        ("h2.stream", False, "f(x, 'h2.stream', y)", "f(x, __name__, y)"),
        ("h2.stream", False, "f('h2.other', 'h2')", "f('h2.other', 'h2')"),
        ("h2", True, "import_module(f'{__name__}.{part}')", "import_module(f'{__name__}.{part}')"),
    ],
)
def test_absolute_imports_become_relative(name: str, is_package: bool, before: str, after: str) -> None:
    assert moved(before, name, is_package=is_package) == after


def test_every_other_byte_stays() -> None:
    source = '''# ünïcode – before an import on the same line
x = "é€😀"; import h2 as two; y = """
import h2
"""
if x:  import h2.config as c
def inner():
\ttry: from h2 import missing
\texcept ImportError: missing = None  # from h2 import this
'''
    expected = (
        source.replace("; import h2 as two;", "; from ._vendor import h2 as two;")
        .replace("import h2.config as c", "from ._vendor.h2 import config as c")
        .replace("try: from h2 import", "try: from ._vendor.h2 import")
    )
    assert moved(source) == expected


def test_latin_1_and_windows_line_ends_are_understood() -> None:
    source = "# -*- coding: latin-1 -*-\r\nname = 'é'\r\nfrom h2 import a\r\n".encode("latin-1")
    text = rewrite(source, "plug.ui", MOVES, is_package=False)
    assert text.endswith("name = 'é'\nfrom ._vendor.h2 import a\n")


def test_type_checkers_imports_move_too() -> None:
    source = "if TYPE_CHECKING:\n    from google.protobuf.message import Message\n"
    assert "from ._vendor.google.protobuf.message import Message" in moved(source)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("import_module(name)", "computed"),
        ("__import__(prefix + '.x')", "computed"),
        ("importlib.import_module('h2.config', None)", "more than one argument"),
        ("__import__('h2.config', fromlist=['a'])", "more than one argument"),
        ("sys.modules['h2.config']", "sys.modules"),
        ("sys.modules.pop('h2', None)", "sys.modules"),
        ("import plug", "from . import"),
        ("from h2 . config import A", "cannot read"),
    ],
)
def test_what_cannot_move_is_refused_by_module_and_line(source: str, complaint: str) -> None:
    with pytest.raises(Unusable, match=rf"plug\.ui, line 2, .*{complaint}"):
        moved("\n" + source)


def test_a_plug_ins_own_source_may_compute_names() -> None:
    source = "QtCore = importlib.import_module(f'{BINDING}.QtCore')"
    assert moved(source, may_compute=True) == source


def test_moved_code_does_what_it_did(tmp_path: Path) -> None:
    """Runs the same small library absolutely and relocated: what both print is equal."""
    library = {
        ("h2", "__init__"): "label = 'top'",
        ("h2", "config"): "import h2\nimport h2.parts.deep\nseen = h2.label, h2.parts.deep.value",
        ("h2", "parts", "__init__"): "",
        (
            "h2",
            "parts",
            "deep",
        ): "value = 5\ndef up():\n    import h2.config, os\n    return h2.config.seen, os.sep",
        ("h2", "loads"): (
            "import importlib\n"
            "top = __import__('h2.parts.deep')\n"
            "same = importlib.import_module('h2.parts.deep') is top.parts.deep\n"
        ),
    }
    use = "import h2.config, h2.loads as loads\nfrom h2.parts import deep\n"
    use += "print(h2.config.seen, deep.up(), loads.top.label, loads.same)\n"
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    for parts, source in library.items():
        name = ".".join(part for part in parts if part != "__init__")
        here = plain.joinpath(*parts).with_suffix(".py")
        there = (packed / "plug" / "_vendor").joinpath(*parts).with_suffix(".py")
        for path in (here, there):
            path.parent.mkdir(parents=True, exist_ok=True)
        here.write_text(source)
        there.write_text(moved(source, name, is_package=parts[-1] == "__init__"))
    (packed / "plug" / "_vendor" / "__init__.py").write_text("")
    (plain / "use.py").write_text(use)
    (packed / "plug" / "__init__.py").write_text(moved(use, "plug", is_package=True))
    (packed / "use.py").write_text("import plug, sys\nassert 'h2' not in sys.modules")
    said = [
        subprocess.run(
            [sys.executable, "use.py"], cwd=folder, capture_output=True, text=True, check=True
        ).stdout
        for folder in (plain, packed)
    ]
    assert said[0] == said[1] != ""


NAMES = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4).map(tuple)


@given(target=NAMES, package=NAMES)
def test_relative_paths_resolve_to_their_target(target: tuple[str, ...], package: tuple[str, ...]) -> None:
    name = relative_path(target, package)
    node = ast.parse(f"from {name} import x").body[0]
    assert isinstance(node, ast.ImportFrom)
    base = package[: len(package) - (node.level - 1)]
    assert (*base, *(node.module.split(".") if node.module else [])) == target
