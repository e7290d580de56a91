"""Who we are to the daemon: an id that is the same every time this host starts."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from underpaint.wire.paths import config_dir, private_dir


def client_id(host: str, folder: Path | None = None) -> str:
    """The id of this installation of `host`, for example "krita-4f1c09aa31d2"; made at first use.

    GIMP starts a plug-in as a new process at every call: only a stored id finds its jobs again.
    """
    place = private_dir(folder or config_dir() / "clients") / host
    if known := _read(place):
        return known
    made = f"{host}-{secrets.token_hex(6)}"
    draft = place.with_name(f".{made}")
    draft.write_text(made, encoding="utf-8")
    try:
        # A link appears with its text in it, and only once: whoever comes second takes the first's id.
        os.link(draft, place)
    except FileExistsError:
        if known := _read(place):
            return known
        draft.replace(place)  # empty: the machine went down while it was written
    finally:
        draft.unlink(missing_ok=True)
    return made


def _read(place: Path) -> str:
    try:
        return place.read_text("utf-8").strip()
    except FileNotFoundError:
        return ""
