"""`underpaint` as a name of this very copy, for plug-ins of others inside a host's plug-in.

A zip carries underpaint under another name, inside of the plug-in's package. A third party's module says
`from underpaint.hookspecs import hookimpl` as everywhere, and shall get the copy that asks it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, spec_from_loader
from types import ModuleType

_NAME = "underpaint"


class _Alias(MetaPathFinder, Loader):
    """Maps `underpaint` and all below to the modules of this copy, which stay what they are."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        ours = fullname == _NAME or fullname.startswith(f"{_NAME}.")
        return spec_from_loader(fullname, self, is_package=True) if ours else None

    def create_module(self, spec: ModuleSpec) -> None:
        """Nothing to make: the module is there, under its real name."""

    def exec_module(self, module: ModuleType) -> None:
        # The import system hands out what lies in sys.modules by now.
        sys.modules[module.__name__] = import_module(f"{__package__}{module.__name__[len(_NAME) :]}")


def claim() -> None:
    """Takes the name where nobody has it: no installed underpaint, no other plug-in's copy. Idempotent."""
    if __package__ != _NAME and find_spec(_NAME) is None:
        # First: a submodule would be found beside its parent otherwise, and loaded a second time.
        sys.meta_path.insert(0, _Alias())
