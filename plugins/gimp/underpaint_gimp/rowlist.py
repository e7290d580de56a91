# SPDX-License-Identifier: GPL-3.0-or-later
"""A dialog's list of rows, bound to an argument that holds them as text: boxes, a button that adds one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from gi.repository import Gtk

from underpaint.errors import InvalidRequest

Row = TypeVar("Row")
_MOST_PX = 300
"""Height of a list, at most."""


class RowList(Generic[Row]):
    """Its heirs make rows and boxes; a box has a `widget`."""

    name = ""
    """Of the argument."""
    add_label = ""

    def __init__(
        self,
        config: Any,
        pack: Callable[[Sequence[Row]], str],
        unpack: Callable[[str], tuple[Row, ...]],
    ) -> None:
        self._config, self._pack, self._unpack = config, pack, unpack
        self.boxes: list[Any] = []
        self._add = Gtk.Button.new_with_mnemonic(self.add_label)
        self._add.connect("clicked", lambda _: self._on_add())
        self._why = Gtk.Label(xalign=0.0, wrap=True, max_width_chars=40)
        self._rows = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        head = Gtk.Box(spacing=8)
        head.pack_start(self._add, False, False, 0)
        head.pack_start(self._why, True, True, 0)
        self._content = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self._content.pack_start(self._rows, False, False, 0)
        self._content.pack_start(head, False, False, 0)
        self.widget = Gtk.ScrolledWindow(hscrollbar_policy=Gtk.PolicyType.NEVER)
        self.widget.add(self._content)

    @property
    def rows(self) -> tuple[Row, ...]:
        """What the argument holds."""
        try:
            return self._unpack(self._config.get_property(self.name) or "")
        except InvalidRequest:
            return ()

    def new_row(self) -> Row | None:
        """A row for the button; None where there can be none."""
        raise AssertionError("each list makes rows of its own")

    def new_box(self, number: int) -> Any:
        """The fields of a row."""
        raise AssertionError("each list makes boxes of its own")

    def change(self, number: int, row: Row | None) -> None:
        """Puts `row` in the place of the one of that number; None takes it away."""
        rows = list(self.rows)
        rows[number : number + 1] = [row] if row is not None else []
        self.keep(rows)

    def keep(self, rows: Sequence[Row]) -> None:
        """Has these instead."""
        self._config.set_property(self.name, self._pack(rows))

    def show_reason(self, why_no_add: str, otherwise: str, *, beside: bool) -> None:
        """The button's state and tooltip; `beside`: the reason stands beside it, too."""
        self._add.set_sensitive(not why_no_add)
        self._add.set_tooltip_text(why_no_add or otherwise)
        self._why.set_text(why_no_add if beside else "")

    def show_count(self, count: int) -> None:
        """As many boxes as there are rows."""
        while len(self.boxes) > count:
            self.boxes.pop().widget.destroy()
        while len(self.boxes) < count:
            self.boxes.append(self.new_box(len(self.boxes)))
            self._rows.pack_start(self.boxes[-1].widget, False, False, 0)
            self.boxes[-1].widget.show_all()
        # As high as it is, up to a limit: a dialog gives a list that scrolls no more than it must.
        self.widget.set_min_content_height(min(_MOST_PX, self._content.get_preferred_height()[1]))

    def _on_add(self) -> None:
        row = self.new_row()
        if row is not None:
            self.keep([*self.rows, row])


def remove_button(hint: str, remove: Callable[[], None]) -> Any:
    """What takes a row away."""
    button = Gtk.Button.new_from_icon_name("list-remove-symbolic", Gtk.IconSize.BUTTON)
    button.set_tooltip_text(hint)
    button.connect("clicked", lambda _: remove())
    return button


def beside(*widgets: tuple[Any, bool]) -> Any:
    """Widgets beside one another; True for those that grow."""
    box = Gtk.Box(spacing=6)
    for widget, grows in widgets:
        box.pack_start(widget, grows, grows, 0)
    return box


class Problem:
    """A line that says what is wrong with a row, where something is."""

    def __init__(self) -> None:
        self.widget = Gtk.Label(xalign=0.0, wrap=True, max_width_chars=48, no_show_all=True)

    def show(self, text: str) -> None:
        """Shows it; "" for nothing."""
        self.widget.set_text(text)
        self.widget.set_visible(bool(text))
