"""Finding the Debian mirror that this machine's apt already uses, so that none is named here."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from pathlib import Path


class HostsUnavailable(Exception):
    """The real hosts cannot be had on this machine; the message says what would change that."""


def debian_mirror(apt: Path = Path("/etc/apt")) -> str:
    """Return the address of the Debian archive in this machine's apt sources."""
    release = _os_release()
    if release.get("ID") != "debian":
        raise HostsUnavailable(
            f"the hosts' folder is built with Debian's tools, and this machine runs "
            f"{release.get('PRETTY_NAME', 'another system')}: use a Debian machine or container"
        )
    for address, suites in archives(apt):
        if release.get("VERSION_CODENAME") in suites:
            return _resolve(address)
    raise HostsUnavailable(f"no Debian archive in {apt}/sources.list(.d): add one to apt's sources")


def archives(apt: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the (address, suites) of every binary archive, in both of apt's formats."""
    parts = sorted((apt / "sources.list.d").glob("*"))
    for path in (apt / "sources.list", *parts):
        if not path.is_file():
            continue
        text = re.sub(r"^#.*\n?", "", path.read_text(), flags=re.MULTILINE)
        if path.suffix == ".list":
            for found in re.finditer(r"^deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)", text, re.MULTILINE):
                yield found[1], [found[2]]
        elif path.suffix == ".sources":
            for stanza in re.split(r"\n\s*\n", text):
                fields = dict(re.findall(r"^(\S+):[ \t]*(.*)$", stanza, re.MULTILINE))
                if "deb" in fields.get("Types", "").split() and fields.get("URIs"):
                    yield fields["URIs"].split()[0], fields.get("Suites", "").split()


def _resolve(address: str) -> str:
    """Follow a ``mirror+file:`` list, as Debian's cloud images have it, to its first address."""
    if not address.startswith("mirror+file:"):
        return address
    listed = Path(address.removeprefix("mirror+file:")).read_text().split()
    if not listed:
        raise HostsUnavailable(f"the mirror list {address} is empty")
    return listed[0]


def _os_release() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}
