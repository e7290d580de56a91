"""examples/pictures/conditioning.py and docs/reference/conditioning.md: a strip for each conditioning."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image as Pictures

from tests.examples.loading import EXAMPLES, load

DOCS = EXAMPLES.parent / "docs"
PAGE = (DOCS / "reference" / "conditioning.md").read_text("utf-8")
SHOWN = re.findall(r"^!\[.+\]\(\.\./pictures/conditioning/([a-z0-9-]+)\.jpg\)$", PAGE, re.MULTILINE)
QUOTED = re.findall(r'^--8<-- "examples/pictures/conditioning\.py:([a-z0-9-]+)"$', PAGE, re.MULTILINE)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(EXAMPLES / "pictures"))
    return load("pictures/conditioning")


def test_the_page_shows_and_quotes_every_strip_of_the_script_in_its_order(script: ModuleType) -> None:
    assert list(script.STRIPS) == SHOWN == QUOTED
    assert len(SHOWN) == PAGE.count("![") == PAGE.count("--8<--")


def test_every_quotation_is_the_function_of_its_strip() -> None:
    source = (EXAMPLES / "pictures" / "conditioning.py").read_text("utf-8")
    parts = re.findall(r"\[start:([a-z0-9-]+)\]\n@strip\ndef (\w+)\((?:.|\n)+?\[end:([a-z0-9-]+)\]", source)
    assert [first for first, _, _ in parts] == SHOWN
    assert all(first == last == name.replace("_", "-") for first, name, last in parts)


def test_every_picture_of_the_page_is_there_and_all_are_a_megabyte_at_most(script: ModuleType) -> None:
    files = list(script.TARGET.iterdir())
    assert {file.name for file in files} == {f"{name}.jpg" for name in SHOWN}
    assert sum(file.stat().st_size for file in files) <= 1_000_000
    for file in files:
        with Pictures.open(file) as strip:
            assert strip.format == "JPEG" and strip.width == 900


def test_the_strip_of_masks_is_what_its_function_makes(script: ModuleType, tmp_path: Path) -> None:
    """The one that needs no model."""
    script.save(script.STRIPS["masks"](None), tmp_path / "masks.jpg")
    with Pictures.open(script.TARGET / "masks.jpg") as kept, Pictures.open(tmp_path / "masks.jpg") as made:
        assert kept.size == made.size
        # Another Pillow may round otherwise.
        assert np.abs(np.float32(kept) - np.float32(made)).mean() < 1.0
