"""MkDocs' side of the generated pages: adds them, and fills the folders that the navigation names."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
# MkDocs loads this file by its path: tell Python where its neighbours and the SDK are.
sys.path[:0] = [path for path in (str(ROOT), str(ROOT / "sdk")) if path not in sys.path]

from docs.generate.pages import PAGES  # noqa: E402


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Replaces each folder in the navigation by its pages, by name."""
    docs = Path(config.docs_dir)
    config.nav = [_filled(entry, docs) for entry in config.nav or []]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the generated pages."""
    for path, make in PAGES.items():
        files.append(File.generated(config, path, content=make()))
    return files


def _filled(entry: Any, docs: Path) -> Any:
    if not isinstance(entry, dict):
        return entry
    ((title, value),) = entry.items()
    if isinstance(value, list):
        return {title: [_filled(inner, docs) for inner in value]}
    if value.endswith(".md"):
        return entry
    found = [path for path in PAGES if path.startswith(f"{value}/")]
    found += sorted(str(path.relative_to(docs).as_posix()) for path in (docs / value).glob("*.md"))
    return {title: found}
