"""Poses by networks that lie in a model root: people and joints are those of stock transformers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoImageProcessor, RTDetrForObjectDetection, VitPoseForPoseEstimation

from tests import tiny_estimators
from tests.unit.engine.stock import photo
from underpaint.engine.preprocessors import poses, skeleton
from underpaint.engine.preprocessors.joints import Box, peaks
from underpaint.engine.preprocessors.poses import joints_of, people_in, pose
from underpaint.errors import JobCancelled, ModelUnusable

WIDTH, HEIGHT = 120, 100
# Left, top, width, height; what is looked at lies inside the picture.
PEOPLE = [(40.0, 20.0, 36.0, 52.0), (30.5, 24.25, 40.0, 30.0), (60.0, 30.0, 10.0, 30.0)]
SET = {"joints": 0.3, "people": 0.2}


def shown(seed: int = 0) -> np.ndarray:
    colors = photo(WIDTH, HEIGHT, seed).astype(np.float32) / 255
    return np.concatenate([colors, np.ones((HEIGHT, WIDTH, 1), np.float32)], axis=2)


def go_on() -> None:
    """A job that nobody cancels."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_estimators.vitpose(tmp_path_factory.mktemp("pose") / "tiny-vitpose")


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_estimators.rt_detr(tmp_path_factory.mktemp("people") / "tiny-rt-detr")


def affine_transform(
    channel: np.ndarray, matrix: np.ndarray, output_shape: tuple[int, int], order: int
) -> np.ndarray:
    """As scipy.ndimage defines it, for its first order: 0 outside, whole numbers for whole numbers."""
    assert order == 1 and channel.dtype == np.uint8
    places = np.stack(np.indices(output_shape), axis=-1) @ matrix[:2, :2].T + matrix[:2, 2]
    inside = ((places >= 0) & (places <= np.array(channel.shape) - 1)).all(axis=-1)
    low = np.clip(np.floor(places).astype(int), 0, np.array(channel.shape) - 2)
    y, x = np.moveaxis(places - low, -1, 0)
    rows, columns = low[..., 0], low[..., 1]
    upper = channel[rows, columns] * (1 - x) + channel[rows, columns + 1] * x
    lower = channel[rows + 1, columns] * (1 - x) + channel[rows + 1, columns + 1] * x
    return np.where(inside, np.rint(upper * (1 - y) + lower * y), 0).astype(np.uint8)


def gaussian_filter(
    heat: np.ndarray, sigma: float, radius: tuple[int, int], axes: tuple[int, int]
) -> np.ndarray:
    """As scipy.ndimage defines it: mirrored with the border pixel twice."""
    weight = np.exp(-0.5 * (np.arange(-radius[0], radius[0] + 1) / sigma) ** 2)
    wide = np.pad(heat.astype(np.float64), radius[0], mode="symmetric")
    for axis in axes:
        wide = np.apply_along_axis(np.convolve, axis, wide, weight / weight.sum(), mode="valid")
    return wide.astype(heat.dtype)


@pytest.fixture
def processor(weights: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Stock transformers' own, with what it wants of scipy, which is not there."""
    found = AutoImageProcessor.from_pretrained(weights)
    module = sys.modules[type(found).__module__]
    monkeypatch.setattr(module, "affine_transform", affine_transform, raising=False)
    monkeypatch.setattr(module, "gaussian_filter", gaussian_filter, raising=False)
    return found


def stock(weights: Path, processor: Any, picture: np.ndarray, **more: torch.Tensor) -> np.ndarray:
    network = VitPoseForPoseEstimation.from_pretrained(weights).eval()
    boxes = [np.array(PEOPLE)]
    with torch.inference_mode():
        outputs = network(**processor(images=picture, boxes=boxes, return_tensors="pt"), **more)
    (found,) = processor.post_process_pose_estimation(outputs, boxes=boxes)
    return np.stack([np.column_stack([one["keypoints"], one["scores"]]) for one in found])


def test_joints_are_those_of_stock_transformers(weights: Path, processor: Any) -> None:
    made = joints_of(PEOPLE, photo(WIDTH, HEIGHT), weights, go_on)
    wanted = stock(weights, processor, photo(WIDTH, HEIGHT))
    assert made.shape == (3, 17, 3)
    # The parts that are looked at may differ by one of 255, where a half is rounded.
    np.testing.assert_allclose(made[..., 2], wanted[..., 2], atol=1e-3 * wanted[..., 2].max())
    # Noise can send stock's peak pixels away from the highest one; ours goes one at most.
    near = np.abs(made[..., :2] - wanted[..., :2]).max(axis=2) < 1e-2
    assert near.mean() > 0.6
    other = joints_of(PEOPLE, photo(WIDTH, HEIGHT, 3), weights, go_on)
    assert np.abs(other - made).max() > 1.0
    assert (made[..., 2] > 0).all()


def test_peaks_of_heat_maps_are_those_of_stock_transformers_between_the_pixels(processor: Any) -> None:
    rows, columns = np.mgrid[0:16, 0:12].astype(np.float32)
    places = np.array([[5.3, 7.8], [2.0, 3.0], [8.6, 12.45], [0.2, 15.0], [11.0, 0.4]], np.float32)
    maps = np.stack([0.9 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8) for x, y in places])
    maps += np.random.default_rng(4).normal(0, 0.002, maps.shape).astype(np.float32)
    made = peaks(maps)
    assert np.abs(made[:3, :2] - places[:3]).max() < 0.1
    boxes = [np.array([PEOPLE[1]])]
    outputs = type("Outputs", (), {"heatmaps": torch.from_numpy(maps)[None]})()
    ((wanted,),) = processor.post_process_pose_estimation(outputs, boxes=boxes)
    back = Box.around(*PEOPLE[1], 48 / 64).back(made[:, :2], 12, 16)
    np.testing.assert_allclose(back, wanted["keypoints"].numpy(), atol=1e-3)
    np.testing.assert_allclose(made[:, 2], wanted["scores"].numpy(), atol=1e-6)


@pytest.mark.parametrize("person", [*PEOPLE, (-8.0, 30.0, 60.0, 90.0)])
def test_a_part_of_a_picture_is_cut_as_by_stock_transformers(
    processor: Any, person: tuple[float, float, float, float]
) -> None:
    picture = photo(WIDTH, HEIGHT)
    made = Box.around(*person, 48 / 64).cut(picture, 48, 64).astype(int)
    plain = {"do_rescale": False, "do_normalize": False, "return_tensors": "np"}
    wanted = processor(images=picture, boxes=[[list(person)]], **plain)["pixel_values"][0]
    apart = np.abs(made - wanted.transpose(1, 2, 0))
    # At the picture's edge OpenCV goes over to black within a pixel, scipy at once.
    assert (apart.max(axis=2) <= 1).mean() > (0.95 if person[0] < 0 else 0.9999)


def test_a_flat_map_has_its_peak_at_a_pixel() -> None:
    maps = np.zeros((2, 8, 6), np.float32)
    maps[1] = 0.5
    assert np.isfinite(peaks(maps)).all()
    assert peaks(maps)[:, 2].tolist() == [0.0, 0.5]


def test_a_network_of_several_experts_is_asked_about_coco(tmp_path: Path, processor: Any) -> None:
    weights = tiny_estimators.vitpose(tmp_path / "plus", experts=3)
    made = joints_of(PEOPLE, photo(WIDTH, HEIGHT), weights, go_on)
    wanted, other = (
        stock(weights, processor, photo(WIDTH, HEIGHT), dataset_index=torch.full((3,), index))
        for index in (0, 2)
    )
    # The parts that are looked at may differ by one of 255, where a half is rounded.
    np.testing.assert_allclose(made[..., 2], wanted[..., 2], atol=1e-3 * wanted[..., 2].max())
    assert np.abs(other[..., 2] - wanted[..., 2]).max() > 1e-2


def test_people_are_those_of_stock_transformers_and_nothing_else(detector: Path) -> None:
    processor = AutoImageProcessor.from_pretrained(detector)
    network = RTDetrForObjectDetection.from_pretrained(detector).eval()
    picture = photo(WIDTH, HEIGHT)
    with torch.inference_mode():
        outputs = network(**processor(images=picture, return_tensors="pt"))
    (found,) = processor.post_process_object_detection(outputs, threshold=0.0, target_sizes=[(HEIGHT, WIDTH)])
    scores = np.sort(found["scores"][found["labels"] == tiny_estimators.PERSON].numpy())
    assert 2 < len(scores) < len(found["scores"]), "some of both"
    made = people_in(picture, detector, float(scores[1]))
    assert len(made) == len(scores) - 2
    order = found["scores"].argsort()
    wanted = [
        box
        for box, kind in zip(found["boxes"][order], found["labels"][order], strict=True)
        if kind == tiny_estimators.PERSON
    ]
    corners = [(left, top, left + width, top + height) for left, top, width, height in made]
    np.testing.assert_allclose(corners, torch.stack(wanted[2:]).numpy(), atol=1e-3)


def test_each_person_is_drawn_and_without_a_detector_the_whole_picture_is_one(
    weights: Path, detector: Path
) -> None:
    alone = pose(shown(), SET, go_on, weights, None)
    whole = joints_of([(0.0, 0.0, WIDTH, HEIGHT)], photo(WIDTH, HEIGHT), weights, go_on)
    assert np.array_equal(alone, skeleton.drawn(skeleton.from_coco(whole), WIDTH, HEIGHT, 0.3))
    assert alone.shape == (HEIGHT, WIDTH, 3) and alone.any()
    several = pose(shown(), SET, go_on, weights, detector)
    people = people_in(photo(WIDTH, HEIGHT), detector, 0.2)
    assert len(people) > 1
    found = joints_of(people, photo(WIDTH, HEIGHT), weights, go_on)
    assert np.array_equal(several, skeleton.drawn(skeleton.from_coco(found), WIDTH, HEIGHT, 0.3))
    assert not pose(shown(), {**SET, "people": 1.0}, go_on, weights, detector).any()
    assert not pose(shown(), {**SET, "joints": 1e9}, go_on, weights, detector).any()


def test_many_people_are_looked_at_a_few_at_a_time(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = photo(WIDTH, HEIGHT)
    whole = joints_of(PEOPLE, picture, weights, go_on)
    monkeypatch.setattr(poses, "AT_ONCE", 2)
    np.testing.assert_allclose(joints_of(PEOPLE, picture, weights, go_on), whole, atol=1e-3)


def test_weights_that_do_not_fit_are_refused_with_a_way_out(weights: Path, tmp_path: Path) -> None:
    hands = tiny_estimators.vitpose(tmp_path / "hands", joints=21)
    with pytest.raises(ModelUnusable, match="finds 21 joints, not COCO's 17"):
        pose(shown(), SET, go_on, hands, None)
    cars = tiny_estimators.rt_detr(tmp_path / "cars", {0: "car", 1: "bus"})
    with pytest.raises(ModelUnusable, match="finds no people") as raised:
        pose(shown(), SET, go_on, weights, cars)
    assert raised.value.metadata == {"path": str(cars)}


def test_a_cancelled_job_stops_before_the_networks_run_and_between_people(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poses, "AT_ONCE", 1)
    calls: list[None] = []

    def cancelled_at(number: int) -> Callable[[], None]:
        def check() -> None:
            calls.append(None)
            if len(calls) == number:
                raise JobCancelled("The job was cancelled.")

        return check

    with pytest.raises(JobCancelled):
        pose(shown(), SET, cancelled_at(1), weights, None)
    calls.clear()
    with pytest.raises(JobCancelled):
        joints_of(PEOPLE, photo(WIDTH, HEIGHT), weights, cancelled_at(3))
    assert len(calls) == 3
