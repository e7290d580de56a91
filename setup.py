"""Packs plugins/ into the wheel as data of underpaint; everything else is said in pyproject.toml."""

from __future__ import annotations

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SOURCES = Path("plugins")
PLACE = Path("underpaint", "_plugins")
LEFT_OUT = {"__pycache__", ".mypy_cache", ".ruff_cache", "build", "krita_api_stubs.egg-info"}


class BuildWithPlugins(build_py):
    """Copies plugins/ to underpaint/_plugins; an editable installation finds them in the checkout instead."""

    def run(self) -> None:
        """Builds as ever, then copies."""
        super().run()
        if not self.editable_mode:
            for source, built in self._plugin_files():
                self.mkpath(str(Path(built).parent))
                self.copy_file(source, built)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Every file that `run` makes."""
        copied = [] if self.editable_mode else [built for _, built in self._plugin_files()]
        return [*super().get_outputs(include_bytecode), *copied]

    def get_source_files(self) -> list[str]:
        """Every file that a source distribution must hold."""
        return [*super().get_source_files(), *(source for source, _ in self._plugin_files())]

    def _plugin_files(self) -> list[tuple[str, str]]:
        files = (file for file in SOURCES.rglob("*") if file.is_file() and not LEFT_OUT & set(file.parts))
        place = Path(self.build_lib) / PLACE
        return sorted((str(file), str(place / file.relative_to(SOURCES))) for file in files)


setup(cmdclass={"build_py": BuildWithPlugins})
