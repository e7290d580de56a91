"""Where modules go when they move into a plug-in, and how they name one another there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Relocation:
    """Where modules go. Maps the first name of a module, or a dotted prefix, to a path in the new package.

    `{"h2": ("_vendor", "h2")}` sends `h2.config` to `_vendor/h2/config`; () is the plug-in itself.
    """

    prefixes: Mapping[str, tuple[str, ...]]

    def target(self, module: str) -> tuple[str, ...] | None:
        """The new path of a module; None if it does not move."""
        for prefix, path in self.prefixes.items():
            if module == prefix:
                return path
            if module.startswith(f"{prefix}."):
                return (*path, *module[len(prefix) + 1 :].split("."))
        return None

    def relative(self, module: str, package: tuple[str, ...]) -> str | None:
        """How a module in `package` (a new path) names `module`: "..h2.config"; None if it does not move."""
        target = self.target(module)
        return None if target is None else relative_path(target, package)


def relative_path(target: tuple[str, ...], package: tuple[str, ...]) -> str:
    """How a module in `package` names the module at `target`; both are paths from the plug-in's root."""
    common = 0
    while common < min(len(target), len(package)) and target[common] == package[common]:
        common += 1
    return "." * (len(package) - common + 1) + ".".join(target[common:])
