"""People as coloured bones: which colour lies where, and what is left out."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from underpaint.engine.preprocessors.skeleton import BONES, COLOURS, POINTS, SHADE, drawn, from_coco

WIDTH, HEIGHT = 512, 640
# Someone who waves, at x and y from the hips upwards and downwards.
WAVING = np.array(
    [
        *([0, -150], [0, -110], [-45, -105], [-75, -40], [-60, 30], [45, -105], [85, -50], [120, -110]),
        *([-28, 30], [-35, 120], [-30, 210], [28, 30], [50, 115], [95, 190]),
        *([-14, -166], [14, -166], [-34, -155], [34, -155]),
    ],
    np.float32,
)
COCO = (
    *("nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder"),
    *("left elbow", "right elbow", "left wrist", "right wrist", "left hip", "right hip"),
    *("left knee", "right knee", "left ankle", "right ankle"),
)


def person(x: float = 256, y: float = 300, size: float = 1.2, sure: float = 1.0) -> np.ndarray:
    return np.concatenate([WAVING * size + [x, y], np.full((18, 1), sure)], axis=1).astype(np.float32)


def colour_at(picture: np.ndarray, place: np.ndarray) -> list[int]:
    x, y = np.rint(place[:2]).astype(int)
    return np.rint(picture[y, x] * 255).astype(int).tolist()


def test_every_joint_has_its_colour_and_every_bone_the_darker_one_of_its_number() -> None:
    someone = person()
    made = drawn([someone], WIDTH, HEIGHT)
    assert made.shape == (HEIGHT, WIDTH, 3) and made.dtype == np.float32
    assert {name: colour_at(made, someone[n]) for n, name in enumerate(POINTS)} == {
        name: list(COLOURS[n]) for n, name in enumerate(POINTS)
    }
    for number, (begin, end) in enumerate(BONES):
        middle = (someone[begin] + someone[end]) / 2
        wanted = [round(SHADE * value) for value in COLOURS[number]]
        assert colour_at(made, middle) == wanted, f"{POINTS[begin]} to {POINTS[end]}"
    assert (made == 0.0).all(axis=2).mean() > 0.9


@pytest.mark.parametrize(
    ("point", "colour"),
    [("nose", (255, 0, 0)), ("neck", (255, 85, 0)), ("left elbow", (0, 255, 0)), ("left ear", (255, 0, 85))],
)
def test_colours_are_those_that_nets_were_trained_with(point: str, colour: tuple[int, ...]) -> None:
    assert COLOURS[POINTS.index(point)] == colour


def test_points_are_found_by_name_and_the_neck_is_between_the_shoulders() -> None:
    points = np.array([[[10.0 * n, 7.0 * n, 0.5 + n / 100] for n in range(17)]], np.float32)
    points[0, COCO.index("right shoulder"), 2] = 0.1
    (made,) = from_coco(points)
    for number, name in enumerate(POINTS):
        if name != "neck":
            assert made[number].tolist() == points[0, COCO.index(name)].tolist(), name
    assert made[POINTS.index("neck")] == pytest.approx([55.0, 38.5, 0.1])
    assert from_coco(np.zeros((0, 17, 3), np.float32)).shape == (0, 18, 3)


def test_what_is_not_sure_enough_is_not_drawn_nor_bones_that_end_there() -> None:
    someone = person(sure=0.9)
    wrist, elbow = POINTS.index("left wrist"), POINTS.index("left elbow")
    someone[wrist, 2] = 0.3
    made = drawn([someone], WIDTH, HEIGHT, least=0.3)
    assert colour_at(made, someone[wrist]) == [0, 0, 0]
    assert colour_at(made, (someone[wrist] + someone[elbow]) / 2) == [0, 0, 0]
    assert colour_at(made, someone[elbow]) == list(COLOURS[elbow])
    assert colour_at(drawn([someone], WIDTH, HEIGHT, least=0.29), someone[wrist]) == list(COLOURS[wrist])
    assert not drawn([someone], WIDTH, HEIGHT, least=0.9).any()
    assert not drawn([], WIDTH, HEIGHT).any()


def test_lines_are_as_wide_as_the_picture_is_large() -> None:
    small = drawn([person()], WIDTH, HEIGHT)
    large = drawn([person(512.5, 600.5, 2.4)], 2 * WIDTH, 2 * HEIGHT)
    assert np.abs(cv2.resize(large, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) - small).mean() < 2e-3
    tiny = drawn([person(32, 38, 0.15)], 64, 80)
    assert (tiny.max(axis=2) > 0.5).sum() > 30, "a pixel at least"


def test_people_and_points_outside_of_the_picture_are_cut_and_later_ones_lie_over_earlier_ones() -> None:
    made = drawn([person(x=-40)], WIDTH, HEIGHT)
    assert made.any() and not made[:, 150:].any()
    first, second = person(200), person(230)
    assert np.array_equal(drawn([first, person(x=-4000)], WIDTH, HEIGHT), drawn([first], WIDTH, HEIGHT))
    over = drawn([first, second], WIDTH, HEIGHT)
    alone = drawn([second], WIDTH, HEIGHT)
    joints = np.isclose(alone.max(axis=2), 1.0)
    assert joints.sum() > 300 and np.array_equal(over[joints], alone[joints])
    assert not np.array_equal(over, alone)
