"""Segments by a network that lies in a model root: transformers' own answer, in ADE20K's colours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoImageProcessor, AutoModelForSemanticSegmentation

from tests import tiny_estimators
from tests.unit.engine.stock import photo
from underpaint.engine.preprocessors import ade20k, segments
from underpaint.engine.preprocessors.segments import class_mask, segmentation, strongest
from underpaint.errors import InvalidRequest, JobCancelled

WIDTH, HEIGHT = 92, 70


def shown(seed: int = 0) -> np.ndarray:
    colors = photo(WIDTH, HEIGHT, seed).astype(np.float32) / 255
    return np.concatenate([colors, np.ones((HEIGHT, WIDTH, 1), np.float32)], axis=2)


def go_on() -> None:
    """A job that nobody cancels."""


@pytest.fixture(scope="module")
def ade(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_estimators.segformer(tmp_path_factory.mktemp("segments") / "tiny-segformer")


def stock(weights: Path) -> np.ndarray:
    processor = AutoImageProcessor.from_pretrained(weights)
    network = AutoModelForSemanticSegmentation.from_pretrained(weights).eval()
    with torch.inference_mode():
        outputs = network(**processor(images=photo(WIDTH, HEIGHT), return_tensors="pt"))
    (found,) = processor.post_process_semantic_segmentation(outputs, target_sizes=[(HEIGHT, WIDTH)])
    return found.numpy()


@pytest.mark.parametrize("build", [tiny_estimators.segformer, tiny_estimators.upernet, tiny_estimators.beit])
def test_segments_are_those_of_stock_transformers(build: Callable[[Path], Path], tmp_path: Path) -> None:
    weights = build(tmp_path / "net")
    made = segmentation(shown(), {}, go_on, weights)
    assert made.shape == (HEIGHT, WIDTH, 3) and made.dtype == np.float32
    wanted = stock(weights)
    assert len(np.unique(wanted)) > 3, "a network that sees one thing only proves nothing"
    colours = np.array([colour for _, *colour in ade20k.CLASSES])[wanted]
    # Two classes may score alike up to rounding, somewhere along a border.
    same = (np.rint(made * 255) == colours).all(axis=2)
    assert same.mean() > 0.999
    other = segmentation(shown(seed=3), {}, go_on, weights)
    assert (other != made).any(axis=2).mean() > 0.1


def test_a_mask_is_where_one_class_is(ade: Path) -> None:
    wanted = stock(ade)
    number = int(np.bincount(wanted.ravel()).argmax())
    made = class_mask(shown(), {"class": float(number)}, go_on, ade)
    assert made.shape == (HEIGHT, WIDTH) and set(np.unique(made)) == {0.0, 1.0}
    assert (made == (wanted == number)).mean() > 0.999
    absent = next(one for one in range(150) if one not in wanted)
    assert not class_mask(shown(), {"class": float(absent)}, go_on, ade).any()


def test_a_class_that_the_network_does_not_know_is_refused(tmp_path: Path) -> None:
    weights = tiny_estimators.segformer(tmp_path / "net", classes=19)
    with pytest.raises(InvalidRequest, match=r"0 to 18 for the network in .*, got 19") as raised:
        class_mask(shown(), {"class": 19.0}, go_on, weights)
    assert raised.value.violations[0].field == "parameters.class"


def test_a_network_for_other_classes_paints_those_that_ade20k_has_and_leaves_the_rest_black(
    tmp_path: Path,
) -> None:
    names = {0: "Sky", 1: "rider", 2: "car"}
    weights = tiny_estimators.segformer(tmp_path / "net", classes=3, names=names)
    made = np.rint(segmentation(shown(), {}, go_on, weights) * 255).astype(int)
    known = {tuple(colour) for colour in made.reshape(-1, 3)}
    assert len(known) > 1
    assert known <= {(6, 230, 230), ade20k.NOTHING, (0, 102, 200)}
    assert ade20k.colours_for(list(names.values())).tolist() == [[6, 230, 230], [0, 0, 0], [0, 102, 200]]


def test_the_table_has_a_colour_for_each_class_and_one_that_two_share() -> None:
    names = [name for name, *_ in ade20k.CLASSES]
    colours = [tuple(colour) for _, *colour in ade20k.CLASSES]
    assert len(set(names)) == len(names) == 150
    assert len(set(colours)) == 149 and ade20k.NOTHING not in colours
    assert colours.index((140, 140, 140)) == names.index("road")
    assert (names[2], names[12], names[20], names[149]) == ("sky", "person", "car", "flag")
    assert all(0 <= value <= 255 for colour in colours for value in colour)


@pytest.mark.parametrize(("height", "width"), [(70, 92), (5, 3), (16, 24), (7, 200)])
def test_bands_are_the_whole(height: int, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = torch.randn(6, 16, 24, generator=torch.Generator().manual_seed(1))
    whole = torch.nn.functional.interpolate(scores[None], (height, width), mode="bilinear")[0].argmax(0)
    monkeypatch.setattr(segments, "BAND", 6 * width * 3)
    assert np.array_equal(strongest(scores, height, width, go_on), whole.numpy())


def test_a_cancelled_job_stops_before_the_network_runs_and_between_bands(
    ade: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def cancelled_at(number: int) -> Callable[[], None]:
        calls.clear()

        def check() -> None:
            calls.append(None)
            if len(calls) == number:
                raise JobCancelled("The job was cancelled.")

        return check

    monkeypatch.setattr(segments, "BAND", 150 * WIDTH * 10)
    segmentation(shown(), {}, cancelled_at(0), ade)
    assert len(calls) == 2 + 7, "before the network, after it, and each of seven bands"
    for number in (1, 5):
        with pytest.raises(JobCancelled):
            segmentation(shown(), {}, cancelled_at(number), ade)
        assert len(calls) == number
