"""Drives GIMP from its batch interpreter, with or without a window."""

from __future__ import annotations

from gi.repository import GLib

from tests.hosts.drivers.hostscript import Driver


def _turn() -> None:
    context = GLib.MainContext.default()
    while context.pending():
        context.iteration(False)


Driver().loop(_turn)
