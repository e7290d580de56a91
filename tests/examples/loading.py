"""Examples as modules: their names begin with a number, so that `import` cannot say them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(name: str) -> ModuleType:
    """The example `NAME.py`, or the program of the folder `NAME`, as running it would; imported once."""
    known = f"examples_{name}"
    if known not in sys.modules:
        folder = EXAMPLES / name
        file = folder / "__main__.py" if folder.is_dir() else folder.with_suffix(".py")
        if folder.is_dir() and str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
        spec = importlib.util.spec_from_file_location(known, file)
        assert spec is not None and spec.loader is not None
        sys.modules[known] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[known]
