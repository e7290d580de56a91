"""A verb that somebody else wrote, as a wheel: what its author's `pip wheel .` would give."""

from __future__ import annotations

import zipfile
from pathlib import Path

CODE = """
from dataclasses import replace

from underpaint.errors import InvalidRequest
from underpaint.hookspecs import Verb, hookimpl
from underpaint.types import Parameter


def start(session, values):
    if values["prompt"] == "nothing":
        raise InvalidRequest("Say what shall look worn.")
    settings = replace(session.settings, strength=values["wear"])
    return session.fill("worn " + values["prompt"] + values["how"], settings)


@hookimpl
def underpaint_verbs():
    return [
        Verb(
            name="wear-down",
            title="Wear Down",
            description="Paints the selection anew, old and worn.",
            start=start,
            numbers=(Parameter(name="wear", title="How worn", default=0.6, minimum=0.1, maximum=1.0),),
            texts=("prompt", "how"),
            needs=frozenset({"selection"}),
        )
    ]
"""
_ABOUT = "wear_down-1.0.dist-info"


def wheel(config: Path) -> Path:
    """Lies where hosts look, in `extensions` of the configuration folder."""
    place = config / "extensions" / "wear_down-1.0-py3-none-any.whl"
    place.parent.mkdir(parents=True)
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr("wear_down.py", CODE)
        archive.writestr(f"{_ABOUT}/METADATA", "Metadata-Version: 2.1\nName: wear-down\nVersion: 1.0\n")
        archive.writestr(f"{_ABOUT}/entry_points.txt", "[underpaint.hosts]\nwear-down = wear_down\n")
        archive.writestr(f"{_ABOUT}/RECORD", "")
    return place
