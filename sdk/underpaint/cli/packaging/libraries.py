"""The distributions that travel inside plug-ins, and what is special about each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_PYTHON_ONLY_PROTOBUF = '''\
"""Which implementation of protobuf runs: the pure one, since this copy carries no other.

Takes the place of protobuf's own module, which would look for compiled ones and obey
PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION, both of which may belong to another plug-in of the same host.
"""

_implementation_type = "python"
_c_module = None


def Type():
    return _implementation_type


def Version():
    return 2


def IsPythonDefaultSerializationDeterministic():
    return False
'''


@dataclass(frozen=True, slots=True)
class Library:
    """A distribution that travels inside plug-ins."""

    distribution: str
    module: str
    left_out: tuple[str, ...] = ()
    """Modules, with all below them, that are never needed or never pure Python."""
    replaced: Mapping[str, str] = field(default_factory=dict)
    """Modules whose source we write ourselves."""
    does_without: tuple[str, ...] = ()
    """Modules of nobody here that it uses only where they are."""

    def owns(self, module: str) -> bool:
        """True for the library's module and everything in it."""
        return module == self.module or module.startswith(f"{self.module}.")

    def leaves_out(self, module: str) -> bool:
        """True for a module that stays behind on purpose."""
        return any(module == out or module.startswith(f"{out}.") for out in self.left_out)


LIBRARIES = (
    Library("grpclib", "grpclib", does_without=("google.rpc",)),
    Library("h2", "h2"),
    Library("hpack", "hpack"),
    Library("hyperframe", "hyperframe"),
    Library("multidict", "multidict", left_out=("multidict._multidict",)),
    Library("platformdirs", "platformdirs"),
    Library("pluggy", "pluggy"),
    Library(
        "protobuf",
        "google.protobuf",
        left_out=("google.protobuf.pyext", "google._upb"),
        does_without=("numpy",),
        replaced={"google.protobuf.internal.api_implementation": _PYTHON_ONLY_PROTOBUF},
    ),
    Library("typing_extensions", "typing_extensions"),
)

CLIENT_PARTS = (
    "alias",
    "errors",
    "types",
    "geometry",
    "hookspecs",
    "v1",
    "wire",
    "pixels",
    "provenance",
    "host",
    "client",
)
CONFORMANCE_PARTS = ("testing/conformance",)
"""What travels too where the conformance suite is asked for."""
SDK = Library(
    "underpaint",
    "underpaint",
    does_without=("pytest",),
    # The fakes beside the conformance suite stay outside of hosts: they need grpcio.
    replaced={"underpaint.testing": '"""The conformance suite, to be run inside the host."""\n'},
)


def library_of(module: str) -> Library | None:
    """The library that a module belongs to; None for the standard library, hosts and plug-ins."""
    return next((library for library in (SDK, *LIBRARIES) if library.owns(module)), None)
