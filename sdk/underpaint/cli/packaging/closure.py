"""Which modules a plug-in carries: everything that its sources and the client reach, as pure Python.

The table names the distributions that may travel. A module that is reached and belongs to none of them is
refused by name, and so is a distribution whose pure Python files are not there.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from underpaint.cli.packaging.imports import Import, decode, imports_of
from underpaint.cli.packaging.libraries import (
    CLIENT_PARTS,
    CONFORMANCE_PARTS,
    LIBRARIES,
    SDK,
    Library,
    library_of,
)
from underpaint.errors import Unusable

# Guarded by the version in the libraries, and perhaps newer than the Python that builds.
_STANDARD_LIBRARY = sys.stdlib_module_names | {"annotationlib", "compression"}


@dataclass(frozen=True, slots=True)
class Module:
    """One source file that travels."""

    name: str
    is_package: bool
    source: bytes

    @property
    def library(self) -> Library | None:
        """The library that it belongs to; None for a plug-in's own module."""
        return library_of(self.name)


class Closure:
    """Collects modules by following imports from `start`, a plug-in's own sources, and from the client.

    With `conformance` from the conformance suite too.
    """

    def __init__(self, start: Iterable[Module], *, conformance: bool = False) -> None:
        own = tuple(start)
        self.modules: dict[str, Module] = {}
        self._own = {module.name.partition(".")[0] for module in own}
        self._folders: dict[str, Path] = {}
        carried = client_modules() + (conformance_modules() if conformance else [])
        self._client = {module.name: module for module in carried}
        self._waiting = list(self._client.values())
        for module in own:
            self._follow(module)
        while self._waiting:
            module = self._waiting.pop()
            if module.name not in self.modules:
                self.modules[module.name] = module
                self._follow(module)

    @property
    def libraries(self) -> list[Library]:
        """The libraries of which something travels, in the table's order; the SDK is not among them."""
        return [library for library in LIBRARIES if any(library.owns(name) for name in self.modules)]

    def _follow(self, module: Module) -> None:
        for found in _imports(module):
            self._need(module, found)

    def _need(self, module: Module, found: Import) -> None:
        library = library_of(found.module)
        if library is None:
            self._need_foreign(module, found)
            return
        if library.leaves_out(found.module):
            return
        parts = found.module.split(".")
        depth = library.module.count(".") + 1
        for end in range(depth, len(parts) + 1):
            self._need_module(module, found, library, ".".join(parts[:end]))
        for name in found.names:
            submodule = f"{found.module}.{name}"
            if self._find(library, submodule) is not None and not library.leaves_out(submodule):
                self._need_module(module, found, library, submodule)

    def _need_module(self, module: Module, found: Import, library: Library, name: str) -> None:
        source = self._find(library, name)
        if source is not None:
            self._waiting.append(source)
        elif library is SDK:
            raise Unusable(
                f"{module.name}, line {found.line}, imports {name}, which does not run inside hosts. "
                f"A plug-in and the client may import {', '.join(CLIENT_PARTS)} of underpaint."
            )
        elif not found.optional:
            raise Unusable(
                f"{module.name} needs {name}, but the installed {library.distribution} has no pure Python "
                f"file for it. Reinstall it: `pip install --force-reinstall {library.distribution}`."
            )

    def _need_foreign(self, module: Module, found: Import) -> None:
        top = found.module.partition(".")[0]
        if module.library is None or top in self._own or top in _STANDARD_LIBRARY or found.optional:
            return  # a plug-in's own sources import their host's modules
        if found.module in module.library.does_without:
            return
        raise Unusable(
            f"{module.name}, line {found.line}, imports {found.module}, which plug-ins do not carry. "
            f"The client may use the standard library and {', '.join(lib.distribution for lib in LIBRARIES)}."
        )

    def _find(self, library: Library, name: str) -> Module | None:
        if not library.owns(name):
            return None
        if library is SDK:
            return self._client.get(name)
        if library.module not in self._folders:
            self._folders[library.module] = _place_of(library)
        return _read(self._folders[library.module], library, name)


@functools.lru_cache(maxsize=1024)
def _imports(module: Module) -> tuple[Import, ...]:
    tree = ast.parse(decode(module.source), module.name)
    found = imports_of(tree, module.name, is_package=module.is_package)
    return tuple(one for one in found if not one.typing_only)


def client_modules() -> list[Module]:
    """The part of the installed SDK that runs inside a host."""
    top = Module("underpaint", True, (_place_of(SDK) / "__init__.py").read_bytes())
    return [top, *_parts(CLIENT_PARTS)]


def conformance_modules() -> list[Module]:
    """The conformance suite, and nothing else of `underpaint.testing`."""
    above = [Module(name, True, source.encode()) for name, source in SDK.replaced.items()]
    return [*above, *_parts(CONFORMANCE_PARTS)]


def _parts(parts: Iterable[str]) -> list[Module]:
    root, found = _place_of(SDK), []
    for part in parts:
        path = root / part
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
        for file in files:
            if file.name.endswith("_pb2_grpc.py"):
                continue  # the daemon's side, on grpcio
            names = file.relative_to(root).with_suffix("").parts
            is_package = names[-1] == "__init__"
            name = ".".join(["underpaint", *(names[:-1] if is_package else names)])
            found.append(Module(name, is_package, file.read_bytes()))
    return found


def _place_of(library: Library) -> Path:
    """The folder of a package, or the file of a module, as this interpreter would import it."""
    try:
        spec = importlib.util.find_spec(library.module)
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        raise Unusable(
            f"{library.distribution} is not installed beside underpaint, and plug-ins carry a copy of it. "
            f"Install it: `pip install {library.distribution}`."
        )
    origin = Path(spec.origin)
    return origin.parent if spec.submodule_search_locations else origin


def _read(place: Path, library: Library, name: str) -> Module | None:
    if name in library.replaced:
        return Module(name, False, library.replaced[name].encode())
    if place.is_file():
        return Module(name, False, place.read_bytes()) if name == library.module else None
    path = place.joinpath(*name[len(library.module) + 1 :].split(".")) if name != library.module else place
    if (path / "__init__.py").is_file():
        return Module(name, True, (path / "__init__.py").read_bytes())
    file = path.with_suffix(".py")
    return Module(name, False, file.read_bytes()) if name != library.module and file.is_file() else None
