"""The language of prompts: weights, wildcards, escapes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underpaint.prompts import Span, choose, escape, parse, plain
from underpaint.prompts.weights import MAX_WEIGHT

MARKED = st.text(alphabet="ab :.12,()[]{}|\\", max_size=60)
SEEDS = st.integers(0, 2**64 - 1)


@pytest.mark.parametrize(
    ("prompt", "spans"),
    [
        ("", []),
        ("old brick wall", [("old brick wall", 1.0)]),
        ("a (red:1.2) wall", [("a ", 1.0), ("red", 1.2), (" wall", 1.0)]),
        ("(red) wall", [("red", 1.1), (" wall", 1.0)]),
        ("[red] wall", [("red", 1 / 1.1), (" wall", 1.0)]),
        ("((red))", [("red", 1.21)]),
        ("[[red]]", [("red", 1 / 1.21)]),
        ("(a (b:2) c:.5)", [("a ", 0.5), ("b", 1.0), (" c", 0.5)]),
        ("(red wall : 1.5 )", [("red wall ", 1.5)]),
        ("(red:0)", [("red", 0.0)]),
        ("(red:1) wall", [("red wall", 1.0)]),
        ("(4:3:2)", [("4:3", 2.0)]),
        ("(red:bright)", [("red:bright", 1.1)]),
        ("(red:-1)", [("red:-1", 1.1)]),
        ("[red:0.5]", [("red:0.5", 1 / 1.1)]),
        ("ratio 4:3", [("ratio 4:3", 1.0)]),
        ("(:1.2) ()", [(" ", 1.0)]),
        ("(red:1000)", [("red", MAX_WEIGHT)]),
        (r"\(red\) \[x\] \{y\|z\} \\ \n", [(r"(red) [x] {y|z} \ \n", 1.0)]),
        (r"(\(red\):1.5)", [("(red)", 1.5)]),
        ("a (red", [("a (red", 1.0)]),
        ("red) b]", [("red) b]", 1.0)]),
        ("([red)", [("[red", 1.1)]),
        ("a{b} c|d", [("a{b} c|d", 1.0)]),
    ],
)
def test_weights_are_read_as_people_write_them(prompt: str, spans: list[tuple[str, float]]) -> None:
    found = parse(prompt)
    assert [span.text for span in found] == [text for text, _ in spans]
    assert [span.weight for span in found] == pytest.approx([weight for _, weight in spans])
    assert plain(prompt) == "".join(text for text, _ in spans)


@given(st.one_of(st.text(), MARKED))
def test_any_text_is_read_and_every_weight_makes_sense(text: str) -> None:
    spans = parse(text)
    assert all(span.text and 0.0 <= span.weight <= MAX_WEIGHT for span in spans)
    assert all(one.weight != other.weight for one, other in zip(spans, spans[1:], strict=False))
    assert len(plain(text)) <= len(text)


@given(st.text(alphabet=st.characters(exclude_characters="()[]{}|\\")), SEEDS)
def test_text_without_marks_stays_as_it_is(text: str, seed: int) -> None:
    assert parse(choose(text, seed)) == ((Span(text),) if text else ())


@given(st.one_of(st.text(), MARKED), SEEDS)
def test_escaped_text_comes_back_whatever_it_holds(text: str, seed: int) -> None:
    assert parse(choose(escape(text), seed)) == ((Span(text),) if text else ())


@given(MARKED, SEEDS)
def test_what_the_seed_chose_is_chosen_for_good(text: str, seed: int) -> None:
    assert choose(choose(text, seed), seed) == choose(text, seed) == choose(choose(text, seed), 0)


@pytest.mark.parametrize("pair", ["()", "[]", "{}", "{|"])
def test_deep_nesting_is_no_trouble(pair: str) -> None:
    deep = pair[0] * 5000 + "red" + pair[1] * 5000
    assert "red" in plain(choose(deep, 1))
    assert all(math.isfinite(span.weight) for span in parse(deep))


@pytest.mark.parametrize(
    ("prompt", "possible"),
    [
        ("{oak|pine} wood", {"oak wood", "pine wood"}),
        ("{oak|pine|} wood", {"oak wood", "pine wood", " wood"}),
        ("{a|{b|c}}", {"a", "b", "c"}),
        ("{(red:1.2)|[blue]} wall", {"(red:1.2) wall", "[blue] wall"}),
        (r"{a\|b|c\}}", {r"a\|b", r"c\}"}),
        ("{oak}", {"{oak}"}),
        ("a|b", {"a|b"}),
        ("{a|b", {"{a|b"}),
        ("a|b}", {"a|b}"}),
        (r"\{a|b\}", {r"\{a|b\}"}),
    ],
)
def test_the_seed_chooses_among_all_options(prompt: str, possible: set[str]) -> None:
    assert {choose(prompt, seed) for seed in range(60)} == possible


def test_the_same_seed_chooses_the_same_and_each_group_for_itself() -> None:
    prompt = "{a|b} {a|b} {a|b} {a|b}"
    assert choose(prompt, 7) == choose(prompt, 7)
    assert len({choose(prompt, seed) for seed in range(200)}) == 16
    chosen = [(choose("{a|b}", seed), choose("{a|b}", seed, "negative_prompt")) for seed in range(60)]
    assert len(set(chosen)) == 4
    # Written down: a picture must be made again on another machine, years later.
    found = [choose("{oak|pine|birch}", seed) for seed in (0, 1, 2, 2**64 - 1)]
    assert found == ["birch", "oak", "birch", "pine"]
