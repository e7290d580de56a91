"""Defaults of a painting: what a model says for all that was left out."""

from __future__ import annotations

from typing import Any

import pytest

from underpaint.daemon.painting_specs import CONTINUING_STRENGTH, fill_in
from underpaint.hookspecs import FamilyDescriptor, ModelTraits
from underpaint.v1.job_service_pb2 import JobSpec

FAMILY = FamilyDescriptor(
    name="one", title="One", engine="one:One", schedulers=("ddim",), recognise=lambda _, __: None
)
PLAIN = {"fill_strength": 1.0, "wordless_fill_strength": 0.0}
SMALL = {"fill_strength": 0.9, "wordless_fill_strength": 0.4}


@pytest.mark.parametrize(
    ("says", "prompt", "asked", "begins"),
    [
        (PLAIN, "moss", {}, ("", 1.0)),
        (PLAIN, "", {}, ("", 1.0)),
        (PLAIN, "", {"fill_mode": "border"}, ("border", 1.0)),
        (PLAIN, "", {"fill_mode": "continue"}, ("continue", CONTINUING_STRENGTH)),
        (PLAIN, "", {"fill_mode": "continue", "strength": 0.2}, ("continue", 0.2)),
        (SMALL, "moss", {}, ("continue", 0.9)),
        (SMALL, " ", {}, ("continue", 0.4)),
        (SMALL, "", {"fill_mode": "continue"}, ("continue", 0.4)),
        (SMALL, "moss", {"fill_mode": "noise"}, ("noise", 1.0)),
        (SMALL, "moss", {"strength": 1.0}, ("", 1.0)),
        (SMALL, "", {"strength": 0.3}, ("", 0.3)),
    ],
)
def test_a_hole_begins_as_fits_the_model_unless_someone_says(
    says: dict[str, float], prompt: str, asked: dict[str, float | str], begins: tuple[str, float]
) -> None:
    spec = JobSpec(prompt=prompt, inpaint=asked)
    fill_in(spec, "inpaint", ModelTraits(operations=("inpaint",), components={}, **says), FAMILY)
    assert (spec.inpaint.fill_mode, spec.inpaint.strength) == begins


@pytest.mark.parametrize(
    ("agreement", "given", "compares"),
    [
        (0.0, {"prompt": "moss"}, True),
        (-0.5, {"prompt": "moss", "inpaint": {"fill_mode": "continue"}}, True),
        (0.0, {"prompt": "moss", "inpaint": {"strength": 0.9, "compare_prompt": True}}, True),
        (None, {"prompt": "moss"}, False),
        (None, {"prompt": "moss", "inpaint": {"compare_prompt": True}}, False),
        (0.0, {"prompt": " "}, False),
        (0.0, {"prompt": "moss", "inpaint": {"strength": 0.9}}, False),
        (0.0, {"prompt": "moss", "inpaint": {"fill_mode": "noise"}}, False),
        (0.0, {"prompt": "moss", "regions": [{"prompt": "stone"}]}, False),
        (0.0, {"prompt": "moss", "controls": [{"role": "lines"}]}, False),
    ],
)
def test_a_prompt_is_compared_where_the_model_asks_for_it_and_there_is_something_to_compare(
    agreement: float | None, given: dict[str, Any], compares: bool
) -> None:
    spec = JobSpec(**{"inpaint": {}, **given})
    traits = ModelTraits(operations=("inpaint",), components={}, agreement=agreement, **SMALL)
    fill_in(spec, "inpaint", traits, FAMILY)
    assert spec.inpaint.compare_prompt is compares


def test_a_hole_without_words_that_keeps_to_a_drawing_is_painted_anew() -> None:
    spec = JobSpec(inpaint={}, controls=[{"role": "lines"}])
    fill_in(spec, "inpaint", ModelTraits(operations=("inpaint",), components={}, **SMALL), FAMILY)
    assert spec.inpaint.strength == 0.9


def test_regions_are_words_too() -> None:
    spec = JobSpec(inpaint={}, regions=[{"prompt": "moss"}])
    fill_in(spec, "inpaint", ModelTraits(operations=("inpaint",), components={}, **SMALL), FAMILY)
    assert spec.inpaint.strength == 0.9
