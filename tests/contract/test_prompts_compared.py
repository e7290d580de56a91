"""A prompt for what is around a hole, from the shell through daemon and worker, with the model in the box."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pictures
from underpaint_swatch import model_root

from tests.support.folders import remove
from tests.support.installation import Installation

pytestmark = pytest.mark.slow

PICTURES = Path(__file__).parents[2] / "examples" / "pictures"


@pytest.fixture(scope="module")
def swatch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    runtime = Path(tempfile.mkdtemp(prefix="up-"))
    installation = Installation(tmp_path_factory.mktemp("installation"), runtime, Path(model_root()))
    installation.serve()
    yield installation
    installation.close()
    remove(runtime)


def test_words_for_what_is_there_go_on_with_it_and_the_record_repeats_that(
    swatch: Installation, tmp_path: Path
) -> None:
    fill = ("inpaint", str(PICTURES / "wall.png"), "--mask", str(PICTURES / "wall-mask.png"), "--seed", "3")

    def made(name: str, prompt: str, *more: str) -> tuple[float, str, np.ndarray]:
        target = tmp_path / f"{name}.png"
        answer = swatch.json(*fill, prompt, "-o", str(target), *more)
        hole = answer["request"]["inpaint"]
        assert not hole.get("compare_prompt", False), "it has been decided"
        with Pictures.open(target) as image:
            return hole["strength"], " ".join(answer["notes"]), np.asarray(image.convert("RGB"))

    strength, notes, gone_on = made("same", "grey cobblestone")
    assert strength == 0.2 and "says what is around the hole already" in notes
    again = ("inspect", str(tmp_path / "same.png"), "--again", str(tmp_path / "again.png"))
    answer = swatch.json(*again, "--image", fill[1], "--mask", fill[3])
    assert not any("already" in note for note in answer["notes"]), "nothing is compared again"
    with Pictures.open(tmp_path / "again.png") as image:
        assert np.array_equal(np.asarray(image.convert("RGB")), gone_on)
    strength, notes, other = made("other", "blue water")
    assert strength == 0.9 and "already" not in notes
    changed = np.abs(other.astype(int) - gone_on).max(axis=2) > 40
    blue = other[changed].astype(int)
    assert changed.sum() > 5_000 and (blue[:, 2] - blue[:, 0]).mean() > 20
