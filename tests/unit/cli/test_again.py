"""From a picture's record to the request that makes it once more."""

from __future__ import annotations

import pytest

from underpaint.cli.again import request_again
from underpaint.errors import InvalidRequest
from underpaint.testing.reference import Document
from underpaint.types import Bounds, Provenance
from underpaint.wire.requests import check_request


def record(**operation: dict[str, object]) -> Provenance:
    request = {"prompt": "make it night", "model": "kontext", "seed": 7, "steps": 4, **operation}
    return Provenance(request=request, place=Bounds(2, 1, 16, 8))


def test_an_edit_is_asked_for_as_an_edit_of_what_it_looked_at() -> None:
    again = request_again(record(edit_image={"image": {"blob": "blobs/gone"}}), Document(24, 16))
    assert again.edit and again.image is not None and again.mask is None and again.strength is None
    assert again.image.bounds == Bounds(2, 1, 16, 8)
    assert (again.prompt, again.model, again.seed) == ("make it night", "kontext", 7)
    assert check_request(again) == []


def test_image_to_image_keeps_its_strength_and_is_no_edit() -> None:
    again = request_again(record(image_to_image={"image": {}, "strength": 0.25}), Document(24, 16))
    assert not again.edit and again.strength == 0.25
    assert check_request(again) == []


def test_an_edit_without_its_picture_asks_for_it() -> None:
    with pytest.raises(InvalidRequest, match="give --image FILE"):
        request_again(record(edit_image={"image": {}}))
