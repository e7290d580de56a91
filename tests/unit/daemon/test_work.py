"""How much a job computes, counted before it is taken."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from underpaint.daemon.scan import FoundControl
from underpaint.daemon.work import check_work, pixels_beside
from underpaint.errors import LimitExceeded
from underpaint.hookspecs import ControlTraits
from underpaint.v1.job_service_pb2 import Control, EditImage, JobSpec, Region
from underpaint.weights import kinds


@dataclass
class Known:
    """Control models by name, each of the kind that its name says."""

    async def find(self, name: str) -> FoundControl:
        return FoundControl(name, Path(name), None, ControlTraits(base="", kind=name))


REFERENCE = Control(model=kinds.REDUX)
WORDS = 729 * 256


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (JobSpec(), 0),
        (JobSpec(regions=[Region()] * 3), 3000),
        (JobSpec(edit_image=EditImage()), 1000),
        (JobSpec(edit_image=EditImage(), regions=[Region()]), 2000),
        (JobSpec(controls=[REFERENCE] * 2), 2 * WORDS),
        (JobSpec(controls=[Control(model=kinds.CONTROL_NET), Control(model=kinds.IP_ADAPTER)]), 0),
        # What a model shows to itself is no control model.
        (JobSpec(model="shown", controls=[Control(model="shown")]), 0),
    ],
)
async def test_what_is_read_beside_the_picture_is_counted(spec: JobSpec, expected: int) -> None:
    assert await pixels_beside(spec, 1000, Known()) == expected


def test_the_limit_is_on_all_of_it() -> None:
    check_work(10, 8, 8, 640)
    check_work(10, 8, 8, 1280, 64)
    with pytest.raises(LimitExceeded, match="10 steps of 8x8 pixels are 640 pixel steps, more than the 639"):
        check_work(10, 8, 8, 639)
    with pytest.raises(LimitExceeded, match="and 65 beside, .* are 1290 pixel steps"):
        check_work(10, 8, 8, 1280, 65)
