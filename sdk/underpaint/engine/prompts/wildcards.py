"""Wildcards in the prompts of a specification."""

from __future__ import annotations

from typing import Any

from underpaint.prompts import choose, region_label
from underpaint.v1 import job_service_pb2


def choose_wildcards(spec: job_service_pb2.JobSpec) -> list[str]:
    """Puts the seed's choices into all prompts of a resolved specification; what the user should know."""
    places: list[tuple[Any, str, str, str]] = [
        (spec, "prompt", "prompt", "prompt"),
        (spec, "negative_prompt", "negative_prompt", "negative prompt"),
    ]
    for number, region in enumerate(spec.regions):
        for field, title in (("prompt", "prompt"), ("negative_prompt", "negative prompt")):
            places.append((region, field, region_label(number, field), f"{title} of region {number + 1}"))
    notes = []
    for place, field, label, title in places:
        written = getattr(place, field)
        chosen = choose(written, spec.seed, label)
        if chosen != written:
            setattr(place, field, chosen)
            notes.append(f"The seed chose the {title} {chosen!r}.")
    return notes
