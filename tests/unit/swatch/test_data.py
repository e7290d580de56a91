"""The pictures that swatch learns from, their drawings and their words."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from training import captions, dataset, drawings, holes, text
from training.dataset import Label
from training.materials import MATERIALS, Material
from training.render import COLOURS, Look, paint


@pytest.mark.parametrize("material", MATERIALS, ids=lambda material: material.name)
def test_a_material_tiles_and_has_a_drawing_and_a_height(material: Material) -> None:
    rng = np.random.default_rng(3)
    pattern = material.make(rng, 1)
    picture = paint(pattern, material.accent, Look("orange"), rng).astype(np.float32)
    for axis in (0, 1):
        inside = np.abs(np.diff(picture, axis=axis)).mean((2, 1 - axis))
        across = np.abs(picture.take(0, axis) - picture.take(-1, axis)).mean()
        # a border of tiles may lie there, but nothing worse than is found inside
        assert across <= inside.max() + 3
    assert drawings.height(pattern).std() > 0.1
    assert 0.005 < drawings.outline(pattern).mean() < 0.4


def test_a_shard_depends_on_its_number_alone() -> None:
    once, again = (list(islice(dataset.each(7, 5), 4)) for _ in range(2))
    other = next(dataset.each(7, 6))
    for one, two in zip(once, again, strict=True):
        assert np.array_equal(one.picture, two.picture)
        assert one.label == two.label
    assert not np.array_equal(once[0].picture, other.picture)


def test_a_drawing_lies_where_its_picture_lies() -> None:
    drawn = next(dataset.each(7, 5))  # brick: its joints are its lines
    lines = drawings.outline(drawn.pattern)
    found = drawings.edges(drawn.picture, 0.5)
    assert drawings.agreement(lines, found) > 0.8
    assert drawings.agreement(np.roll(lines, (9, 13), (0, 1)), found) < 0.7


def test_lines_agree_within_their_reach_and_not_beyond() -> None:
    lines = np.zeros((64, 64), bool)
    lines[:, ::16] = True
    assert drawings.agreement(lines, lines) == 1.0
    assert drawings.agreement(lines, np.roll(lines, 2, 1)) == 1.0
    assert drawings.agreement(lines, np.roll(lines, 6, 1)) == 0.0
    half = lines.copy()
    half[32:] = False
    assert 0.6 < drawings.agreement(lines, half) < 0.75
    assert drawings.agreement(lines, np.zeros_like(lines)) == 0.0


def test_a_caption_says_what_it_claims_to_say() -> None:
    rng = np.random.default_rng(1)
    tables = {
        "colour": (captions.COLOUR_WORDS, COLOURS),
        "scale": (captions.SCALE_WORDS, dataset.SCALES),
        "style": (captions.STYLE_WORDS, dataset.STYLES),
        "direction": (captions.DIRECTION_WORDS, dataset.DIRECTIONS),
    }
    seen: set[str] = set()
    for _ in range(300):
        sizes = (len(MATERIALS), len(COLOURS), 3, len(dataset.STYLES), 3)
        words, said = captions.caption_of(Label(*(int(rng.integers(n)) for n in sizes)), rng)
        seen |= set(said)
        assert any(noun in words for noun in MATERIALS[said["material"]].words)
        for kind, (table, keys) in tables.items():
            if kind in said:
                assert any(word in words for word in table[keys[said[kind]]])
    assert seen == {"material", *tables}


def test_every_near_word_leads_into_the_vocabulary() -> None:
    entries = [entry for part in captions.vocabulary().values() for entry in part]
    known = set(" ".join(entries).split())
    for asked, put in captions.NEAR.items():
        assert set(put.split()) <= known, asked
        assert asked not in entries, f"{asked} is known and needs no substitute"


def test_every_known_word_is_one_token(cache: Path) -> None:
    tokens = text.tokenizer()
    for words in captions.vocabulary().values():
        for word in words:
            assert len(tokens(word).input_ids) == 2 + len(word.split())


def test_holes_differ_in_kind_and_leave_most_of_the_picture() -> None:
    rng = np.random.default_rng(2)
    shares = [holes.hole(rng).mean() for _ in range(40)]
    assert min(shares) > 0.01
    assert max(shares) < 0.75
    assert np.std(shares) > 0.05
