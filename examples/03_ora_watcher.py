"""Watches a folder: an .ora file with a layer named "fill: PROMPT" gets the result as a new layer.

    python examples/03_ora_watcher.py FOLDER

Paint on that layer where the picture shall change, in any program that saves OpenRaster. The layer is then
hidden and named "filled: PROMPT"; rename it back to run it again.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

import underpaint
from underpaint.cli.connection import connect_or_start
from underpaint.errors import UnderpaintError
from underpaint.host import Notice, Session
from underpaint.testing.reference import (
    Document,
    PaintLayer,
    ReferenceHost,
    Selection,
    read_document,
    write_document,
)

ASKED, DONE = "fill:", "filled:"
LOOK_EVERY_S = 1.0


class OraWatcher(ReferenceHost):
    """A program without a window: the reference host's documents, opened from and saved to files."""

    def __init__(self, connect: Callable[[], underpaint.Client] = connect_or_start) -> None:
        super().__init__("ora-watcher")
        self.session = Session(self, connect)
        self._seen: dict[Path, int] = {}

    def look(self, folder: Path) -> list[Path]:
        """Fills what is asked for in files that are new or changed; returns those it wrote."""
        files = [file for file in sorted(folder.glob("*.ora")) if _stamp(file) != self._seen.get(file)]
        written = [file for file in files if self._filled(file)]
        self._seen.update((file, _stamp(file)) for file in files)
        return written

    def _filled(self, file: Path) -> bool:
        try:
            document = self.open(read_document(file))
        except UnderpaintError as problem:
            self.show_notice(Notice(f"{file.name}: {problem}", problem=True))
            return False
        try:
            asked = [layer for layer in document.layers if _prompt(layer)]
            placed = [self._fill(document, layer) for layer in asked if isinstance(layer, PaintLayer)]
            if any(placed):
                write_document(document, file)
            return any(placed)
        finally:
            self.close(document.document_id)

    def _fill(self, document: Document, layer: PaintLayer) -> bool:
        prompt = _prompt(layer)
        document.active = layer.layer_id  # the result belongs right above it
        document.select(_covered(layer))
        # It says where to paint, and is no part of the picture.
        document.change(layer.layer_id, lambda node: replace(node, visible=False, name=f"{DONE} {prompt}"))
        task = self.session.fill(prompt)
        self.queue.pump_until(lambda: task.done)
        if task.error is None:
            return True
        document.change(layer.layer_id, lambda node: replace(node, visible=layer.visible, name=layer.name))
        return False

    def show_notice(self, notice: Notice) -> None:
        """On the standard error output, as a service does."""
        super().show_notice(notice)
        print(notice.text, file=sys.stderr)


def _prompt(layer: object) -> str:
    name = getattr(layer, "name", "")
    return name.removeprefix(ASKED).strip() if name.startswith(ASKED) else ""


def _covered(layer: PaintLayer) -> Selection:
    alpha = layer.samples[..., 3].astype(np.float64)
    top = np.iinfo(layer.samples.dtype).max if layer.samples.dtype.kind == "u" else 1.0
    return Selection(layer.x, layer.y, np.rint(np.clip(alpha / top, 0, 1) * 255).astype(np.uint8))


def _stamp(file: Path) -> int:
    return file.stat().st_mtime_ns


def main(folder: Path) -> None:
    watcher = OraWatcher()
    print(f"Watching {folder}. Ctrl-C ends.")
    try:
        while True:
            for file in watcher.look(folder):
                print(f"{file} has a new layer.")
            time.sleep(LOOK_EVERY_S)
    except KeyboardInterrupt:
        watcher.session.close()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
