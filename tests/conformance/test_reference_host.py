"""The whole suite against the reference host, which declares every capability."""

from __future__ import annotations

from underpaint.host import Capability
from underpaint.testing.conformance import conformance_tests
from underpaint.testing.reference.rig import ReferenceRig
from underpaint.types import ColorSpace, DataType

TestReferenceHost = conformance_tests(ReferenceRig)


def test_nothing_is_skipped_for_what_the_reference_host_lacks() -> None:
    assert ReferenceRig().adapter.capabilities == frozenset(Capability)
    spaces = (ColorSpace.SRGB, ColorSpace.LINEAR_REC709)
    assert set(ReferenceRig.formats) == {(depth, space) for depth in DataType for space in spaces}
