# SPDX-License-Identifier: GPL-3.0-or-later
"""Fields of a dialog, each bound to one argument of a procedure: *Reset* works on all of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import gi

gi.require_version("Gtk", "3.0")
from gi.repository import GObject, Gtk, Pango  # noqa: E402 - versions come first

from . import documents  # noqa: E402
from .arguments import LAYER, PICTURE, WORDS  # noqa: E402

SOURCES = {WORDS: "The words alone", PICTURE: "The visible picture", LAYER: "One layer"}
_BOTH_WAYS = GObject.BindingFlags.BIDIRECTIONAL | GObject.BindingFlags.SYNC_CREATE


class Form:
    """Labels and fields, one pair below the other."""

    def __init__(self) -> None:
        self.widget = Gtk.Grid(row_spacing=6, column_spacing=12)
        self._rows = 0

    def add(self, label: str, field: Any) -> None:
        """Adds a field; its label's mnemonic leads to it."""
        name = Gtk.Label.new_with_mnemonic(label)
        name.set_xalign(0.0)
        name.set_valign(Gtk.Align.START if isinstance(field, Gtk.ScrolledWindow) else Gtk.Align.CENTER)
        name.set_mnemonic_widget(field.get_child() if isinstance(field, Gtk.ScrolledWindow) else field)
        field.set_hexpand(True)
        self.widget.attach(name, 0, self._rows, 1, 1)
        self.widget.attach(field, 1, self._rows, 1, 1)
        self._rows += 1


def text_area(config: Any, name: str, hint: str) -> Any:
    """Several lines of text."""
    view = Gtk.TextView(wrap_mode=Gtk.WrapMode.WORD_CHAR, accepts_tab=False, tooltip_text=hint)
    for side in ("left_margin", "right_margin", "top_margin", "bottom_margin"):
        view.set_property(side, 4)
    config.bind_property(name, view.get_buffer(), "text", _BOTH_WAYS)
    frame = Gtk.ScrolledWindow(shadow_type=Gtk.ShadowType.IN, min_content_height=72, vexpand=True)
    frame.add(view)
    return frame


def entry(config: Any, name: str, hint: str) -> Any:
    """One line of text; Enter paints."""
    field = Gtk.Entry(activates_default=True, tooltip_text=hint)
    config.bind_property(name, field, "text", _BOTH_WAYS)
    return field


def seed(config: Any, name: str) -> Any:
    """A number or nothing, and a button that rolls the dice."""
    field = entry(config, name, "The same seed with the same settings gives the same picture")
    field.set_placeholder_text("a new one each time")
    dice = Gtk.Button.new_from_icon_name("media-playlist-shuffle-symbolic", Gtk.IconSize.BUTTON)
    dice.set_tooltip_text("Roll a new seed, and keep it")
    dice.connect("clicked", lambda _: field.set_text(str(random.randrange(2**32))))
    box = Gtk.Box(spacing=6)
    box.pack_start(field, True, True, 0)
    box.pack_start(dice, False, False, 0)
    return box


def spin(config: Any, name: str, step: float, digits: int, hint: str) -> Any:
    """A number."""
    spec = config.find_property(name)
    field = Gtk.SpinButton.new_with_range(spec.minimum, spec.maximum, step)
    field.set_digits(digits)
    field.set_activates_default(True)
    field.set_tooltip_text(hint)
    config.bind_property(name, field, "value", _BOTH_WAYS)
    return field


def percent(config: Any, name: str, hint: str) -> Any:
    """A share, 0.01 to 1.0, as a slider in percent."""
    slider = Gtk.Scale.new_with_range(Gtk.Orientation.HORIZONTAL, 0.01, 1.0, 0.01)
    slider.set_value_pos(Gtk.PositionType.RIGHT)
    slider.connect("format-value", lambda _, value: f"{value:.0%}")
    slider.set_tooltip_text(hint)
    config.bind_property(name, slider.get_adjustment(), "value", _BOTH_WAYS)
    return slider


def strength(most: float, hint: str) -> Any:
    """How much a row counts, 0.0 to `most`, as a slider in percent; bound to nothing."""
    slider = Gtk.Scale.new_with_range(Gtk.Orientation.HORIZONTAL, 0.0, most, 0.05)
    slider.set_value_pos(Gtk.PositionType.RIGHT)
    slider.connect("format-value", lambda _, value: f"{value:.0%}")
    slider.set_tooltip_text(hint)
    slider.set_hexpand(True)
    return slider


def share(hint: str) -> Any:
    """A share of something, 0.0 to 1.0, as a number; bound to nothing."""
    field = Gtk.SpinButton.new_with_range(0.0, 1.0, 0.05)
    field.set_digits(2)
    field.set_width_chars(4)
    field.set_tooltip_text(hint)
    return field


def choice(config: Any, name: str, offered: Mapping[str, str]) -> Any:
    """One of a few fixed values."""
    box = Gtk.ComboBoxText()
    for value, label in offered.items():
        box.append(value, label)
    config.bind_property(name, box, "active-id", _BOTH_WAYS)
    return box


def layer_choice(config: Any, image: Any) -> Any:
    """One of the image's layers; the selected one until another is chosen."""
    found = {documents.layer_id(layer): layer for layer in documents.layers(image)}
    box = Gtk.ComboBoxText()
    for key, layer in found.items():
        box.append(key, layer.get_name())
    chosen = config.get_property("source-layer")
    if chosen is None or documents.layer_id(chosen) not in found:
        chosen = next(iter([*image.get_selected_layers(), *found.values()]), None)
    box.connect("changed", lambda _: config.set_property("source-layer", found.get(box.get_active_id())))
    if chosen is not None:
        box.set_active_id(documents.layer_id(chosen))
    return box


class NameChoice:
    """A name out of a list that comes later, or that is typed; empty means the default."""

    def __init__(self, config: Any, name: str, default: str) -> None:
        self._offered: Mapping[str, str] | None = None
        self.widget = Gtk.ComboBoxText.new_with_entry()
        field = self.widget.get_child()
        field.set_placeholder_text(default)
        field.set_activates_default(True)
        config.bind_property(name, field, "text", _BOTH_WAYS)

    def offer(self, names: Mapping[str, str]) -> None:
        """Replaces the list: value → label. What is typed stays."""
        if names == self._offered:
            return
        self._offered = names
        typed = self.widget.get_child().get_text()
        self.widget.remove_all()
        self.widget.append("", "")
        for name in names:
            self.widget.append(name, name)
        self.widget.get_child().set_text(typed)


class LiveChoice:
    """One of a list that changes; what is chosen and no longer there is shown as not found."""

    def __init__(self, hint: str, chosen: Callable[[str], None]) -> None:
        self._entries: list[tuple[str, str]] = []
        self._chosen, self._showing = chosen, False
        self.widget = Gtk.ComboBoxText(tooltip_text=hint)
        # Long names are cut: they would make the dialog as wide as they are.
        for cell in self.widget.get_cells():
            cell.set_property("ellipsize", Pango.EllipsizeMode.END)
            cell.set_property("width-chars", 10)
        self.widget.connect("changed", lambda _: self._on_changed())

    def offer(self, entries: list[tuple[str, str]], chosen: str, otherwise: str) -> None:
        """Lists entries and shows the chosen one, which is `otherwise` where it is none of them."""
        if chosen not in dict(entries) and (otherwise or not entries):
            entries = [*entries, (chosen, f"{otherwise} (not found)" if otherwise else "")]
        self._showing = True
        try:
            if entries != self._entries:
                self._entries = entries
                self.widget.remove_all()
                for key, title in entries:
                    self.widget.append(key, title)
            if self.widget.get_active_id() != chosen:
                self.widget.set_active_id(chosen)
        finally:
            self._showing = False

    def _on_changed(self) -> None:
        if not self._showing and self.widget.get_active() >= 0:
            self._chosen(self.widget.get_active_id() or "")


class Status:
    """One line that says how things are, and a way to look again."""

    def __init__(self, retry: Callable[[], None]) -> None:
        self._spinner = Gtk.Spinner(no_show_all=True)
        self._icon = Gtk.Image.new_from_icon_name("dialog-warning", Gtk.IconSize.BUTTON)
        self._icon.set_no_show_all(True)
        self._label = Gtk.Label(xalign=0.0, wrap=True, selectable=True, can_focus=False, max_width_chars=48)
        self._label.set_line_wrap_mode(Pango.WrapMode.WORD_CHAR)
        self._button = Gtk.Button.new_with_mnemonic("_Try Again")
        self._button.set_no_show_all(True)
        self._button.set_valign(Gtk.Align.CENTER)
        self._button.connect("clicked", lambda _: retry())
        self.widget = Gtk.Box(spacing=8)
        for part in (self._spinner, self._icon):
            self.widget.pack_start(part, False, False, 0)
        self.widget.pack_start(self._label, True, True, 0)
        self.widget.pack_start(self._button, False, False, 0)

    def show(self, text: str, *, problem: bool, busy: bool) -> None:
        """Shows a sentence."""
        if text != self._label.get_text():
            self._label.set_text(text)
        self._icon.set_visible(problem)
        busy = busy and not problem
        self._spinner.set_visible(busy)
        self._spinner.set_property("active", busy)

    def offer_retry(self, offered: bool) -> None:
        """Shows or hides the button."""
        self._button.set_visible(offered)


def expander(label: str, content: Any) -> Any:
    """A part that opens at a click."""
    box = Gtk.Expander.new_with_mnemonic(label)
    content.set_margin_top(6)
    content.set_margin_start(12)
    box.add(content)
    return box
