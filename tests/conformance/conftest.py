"""One fake daemon in its own process for all of these tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from underpaint.testing.conformance.daemon import FakeLink


@pytest.fixture(scope="session")
def fake() -> Iterator[FakeLink]:
    link = FakeLink.start()
    yield link
    link.close()
