# SPDX-License-Identifier: GPL-3.0-or-later
"""A small window with a rough picture of what is being painted, how far it is, and a button that stops it.

GIMP shows progress, but nothing can be drawn over an image that is not in it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import gi

gi.require_version("Gdk", "3.0")
gi.require_version("GdkPixbuf", "2.0")
gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, GdkPixbuf, GimpUi, GLib, Gtk, Pango  # noqa: E402 - versions come first

from underpaint.host import describe  # noqa: E402
from underpaint.types import JobUpdate, Preview  # noqa: E402

EDGE = 192
"""Pixels of the longer edge of the picture."""
_log = logging.getLogger(__name__)


class PreviewWindow:
    """Appears with the first preview: not for a job of a second. Closing it leaves the job alone."""

    def __init__(self, title: str, cancel: Callable[[], None]) -> None:
        self._title, self._cancel = title, cancel
        self._window: Gtk.Window | None = None
        self._closed = False

    def show_preview(self, preview: Preview) -> None:
        """Shows a rough picture."""
        if self._closed:
            return
        if self._window is None:
            self._open()
        _log.debug("preview of step %d", preview.step)
        data = GLib.Bytes.new(preview.rgb)
        size, row = (preview.width, preview.height), 3 * preview.width
        pixels = GdkPixbuf.Pixbuf.new_from_bytes(data, GdkPixbuf.Colorspace.RGB, False, 8, *size, row)
        scale = EDGE / max(size)
        wide, high = (max(1, round(length * scale)) for length in size)
        self._picture.set_from_pixbuf(pixels.scale_simple(wide, high, GdkPixbuf.InterpType.BILINEAR))

    def show_progress(self, update: JobUpdate) -> None:
        """Shows how far the job is."""
        if self._window is not None:
            self._stage.set_text(describe(update))
            self._bar.set_fraction(update.progress.fraction)

    def close(self) -> None:
        """Takes it away, for good."""
        self._closed = True
        if self._window is not None:
            self._window.destroy()
            self._window = None

    def _open(self) -> None:
        window = self._window = Gtk.Window(title=self._title, resizable=False)
        window.set_type_hint(Gdk.WindowTypeHint.UTILITY)
        window.set_focus_on_map(False)  # whoever paints on goes on painting
        GimpUi.window_set_transient(window)
        window.connect("delete-event", lambda *_: self.close())
        self._picture = Gtk.Image()
        self._picture.set_size_request(EDGE, EDGE)
        self._stage = Gtk.Label(xalign=0.0, ellipsize=Pango.EllipsizeMode.END)
        self._bar = Gtk.ProgressBar()
        stop = Gtk.Button.new_with_mnemonic("_Cancel")
        stop.set_tooltip_text("Stop painting within one step")
        stop.connect("clicked", self._on_cancel)
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6, border_width=12)
        for part in (self._picture, self._stage, self._bar, stop):
            box.pack_start(part, False, False, 0)
        window.add(box)
        window.show_all()

    def _on_cancel(self, button: Gtk.Button) -> None:
        button.set_sensitive(False)
        self._cancel()
