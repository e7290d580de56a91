"""The licences of what travels inside a plug-in, and the Pythons that it runs on."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from packaging.specifiers import SpecifierSet

from underpaint.errors import Unusable

_TEXTS = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "AUTHORS")
_OLDEST_PYTHON = 10
_NEWEST_PYTHON = 40


@dataclass(frozen=True, slots=True)
class Notice:
    """What is said about one distribution."""

    name: str
    version: str
    licence: str
    url: str
    requires_python: str
    texts: tuple[tuple[str, bytes], ...]


def notice_of(distribution: str) -> Notice:
    """Reads an installed distribution's metadata. Raises `Unusable` without a licence text to pass on."""
    try:
        found = importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        raise Unusable(
            f"{distribution} is there without its metadata, so that its licence cannot be passed on. "
            f"Install it with pip: `pip install --force-reinstall {distribution}`."
        ) from None
    texts = tuple(sorted(_licence_texts(found)))
    if not texts:
        raise Unusable(
            f"The installed {distribution} comes without its licence text, which plug-ins must pass on. "
            f"Install it with pip: `pip install --force-reinstall {distribution}`."
        )
    about = found.metadata
    return Notice(
        name=about["Name"],
        version=found.version,
        licence=_one(about, "License-Expression") or _one(about, "License") or "see below",
        url=_url(about.get_all("Project-URL") or [], _one(about, "Home-page")),
        requires_python=_one(about, "Requires-Python"),
        texts=texts,
    )


def notice_text(title: str, notices: Iterable[Notice]) -> bytes:
    """The list of what travels, for people."""
    lines = [
        f"underpaint for {title} carries copies of these libraries. Their imports were made relative, so",
        "that they meet nobody else's copies; compiled parts and parts that are not used were left out.",
        "protobuf's api_implementation was replaced by one that knows the pure Python implementation only.",
        "",
    ]
    for notice in notices:
        lines.append(f"{notice.name} {notice.version}: {notice.licence}")
        lines += [f"    {notice.url}"] if notice.url else []
        lines += [f"    licences/{notice.name}/{name}" for name, _ in notice.texts]
    return ("\n".join(lines) + "\n").encode()


def python_minimum(notices: Iterable[Notice]) -> tuple[int, int]:
    """The oldest Python 3 that all of them accept."""
    wanted = SpecifierSet(",".join(notice.requires_python for notice in notices if notice.requires_python))
    for minor in range(_OLDEST_PYTHON, _NEWEST_PYTHON):
        if wanted.contains(f"3.{minor}.99"):
            return 3, minor
    raise Unusable(f"No Python satisfies all libraries that plug-ins carry ({wanted}); update them.")


def _licence_texts(found: importlib.metadata.Distribution) -> Iterable[tuple[str, bytes]]:
    for file in found.files or []:
        parts = PurePosixPath(str(file)).parts
        if not parts[0].endswith((".dist-info", ".egg-info")):
            continue
        if parts[-1].upper().startswith(_TEXTS) and not parts[-1].endswith((".py", ".pyc")):
            inside = [part for part in parts[1:] if part not in {"licenses", "license_files"}]
            yield "/".join(inside), file.read_binary()


def _one(about: importlib.metadata.PackageMetadata, key: str) -> str:
    values = about.get_all(key)
    # Some put the whole licence text where its name belongs; the first line is the name.
    return values[0].strip().partition("\n")[0] if values else ""


def _url(project_urls: Iterable[str], home_page: str) -> str:
    urls = dict(entry.partition(", ")[::2] for entry in project_urls)
    for label in ("Homepage", "Source", "Source Code", "Repository", "GitHub"):
        for name, url in urls.items():
            if name.casefold() == label.casefold():
                return url
    return home_page or next(iter(urls.values()), "")
