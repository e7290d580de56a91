"""In Krita: the verbs of plug-ins, in the docker's menu and as actions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from krita import Krita
from underpaint_krita.more import VerbWindow
from underpaint_krita.qt import QtWidgets

from tests.hosts.drivers.hostscript import Host
from tests.hosts.scripts.krita_fill import close, ellipse, finish, names, notices, painting, ready, select


def listed(shown: Any) -> dict[str, list[Any]]:
    """The menu's entries by name: what they say, their tooltip, whether they can be chosen."""
    shown.more.menu().aboutToShow.emit()
    actions = shown.more.menu().actions()
    return {one.objectName(): [one.text(), one.toolTip(), one.isEnabled()] for one in actions}


def main(host: Host) -> Iterator[None]:
    one, shown = yield from ready(host, prompt="moss")
    host.report(nothing_open=listed(shown))
    document = yield from painting(host)
    host.report(nothing_selected=listed(shown))
    select(document, ellipse())
    yield from host.wait(0.3)
    host.report(selected=listed(shown))

    entry = next(
        action for action in shown.more.menu().actions() if action.objectName() == "underpaint_verb_wear_down"
    )
    entry.trigger()
    window = one.verb_window
    yield from host.until(window.isVisible, 10, "the window of the verb")
    host.report(fields=window.values(), title=window.windowTitle(), picture=host.screenshot("window.png"))
    window.fields["wear"].setValue(0.5)
    window.fields["how"].setText(" and wet")
    window.run.click()
    task = yield from finish(host, one)
    host.report(
        state=task.state.value,
        layers=names(document),
        prompt=task.update.resolved["prompt"],
        seed=task.update.resolved["seed"],
        strength=task.update.resolved["inpaint"]["strength"],
    )

    # The action, as a shortcut would trigger it; the values are those of last time.
    Krita.instance().action("underpaint_verb_wear_down").trigger()

    def windows() -> list[Any]:
        found = QtWidgets.QApplication.instance().topLevelWidgets()
        return [widget for widget in found if isinstance(widget, VerbWindow) and widget.isVisible()]

    yield from host.until(windows, 30, "the window again")
    host.report(remembered=windows()[0].values())
    one.choose(prompt="nothing")
    windows()[0].run.click()
    yield from host.wait(0.3)
    host.report(refused=notices(shown), still_open=bool(windows()))
    windows()[0].close()
    yield from close(host, document)
