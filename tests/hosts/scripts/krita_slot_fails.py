"""In Krita: a slot that fails while a script waits."""

from collections.abc import Iterator

from PyQt5.QtCore import QTimer

from tests.hosts.drivers.hostscript import Host


def main(host: Host) -> Iterator[None]:
    QTimer.singleShot(0, lambda: 1 / 0)
    yield from host.until(lambda: host.unhandled, named="the slot's end")
