"""LoRAs named in prompts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underpaint.errors import InvalidRequest
from underpaint.prompts import LoraTag, escape, plain, take_loras


@pytest.mark.parametrize(
    ("prompt", "rest", "tags"),
    [
        ("a wall", "a wall", []),
        (" a  wall ", " a  wall ", []),
        ("a <lora:ink> wall", "a wall", [LoraTag("ink")]),
        ("a wall <lora:ink:0.8>", "a wall", [LoraTag("ink", 0.8)]),
        ("<lora:ink:.5>, a wall", ", a wall", [LoraTag("ink", 0.5)]),
        ("a wall <lora:ink:-1>, old", "a wall, old", [LoraTag("ink", -1.0)]),
        ("red<lora:ink:1>wall", "red wall", [LoraTag("ink")]),
        ("x <lora:styles/ink (v2):0.5:0.8> y", "x y", [LoraTag("styles/ink (v2)", 0.8, 0.5)]),
        ("<lora:a:1><lora:b:2> x", "x", [LoraTag("a", 1.0), LoraTag("b", 2.0)]),
        ("(old <lora:ink:0.8>:1.2)", "(old :1.2)", [LoraTag("ink", 0.8)]),
        (r"a \<lora:ink:0.8> wall", r"a \<lora:ink:0.8> wall", []),
        (r"a \\<lora:ink:0.8>", r"a \\", [LoraTag("ink", 0.8)]),
        ("a < b, <lora:", "a < b, <lora:", []),
        ("<lora::0.8>", "<lora::0.8>", []),
    ],
)
def test_tags_are_taken_out_of_a_prompt(prompt: str, rest: str, tags: list[LoraTag]) -> None:
    assert take_loras(prompt) == (rest, tuple(tags))


@pytest.mark.parametrize("tag", ["<lora:ink:much>", "<lora:ink:nan>", "<lora:ink:1:2:3>", "<lora:ink:>"])
def test_a_tag_without_numbers_is_refused_by_name(tag: str) -> None:
    with pytest.raises(InvalidRequest, match="no tag that can be read") as caught:
        take_loras(f"a wall {tag}")
    assert [fault.field for fault in caught.value.violations] == ["spec.prompt"]


@given(st.text(alphabet="ab<>lor:.0 \\()", max_size=40))
def test_escaped_text_names_no_lora(text: str) -> None:
    wrapped = escape(f"<lora:{text}> <lora:ink:1>")
    assert take_loras(wrapped) == (wrapped, ())
    assert plain(wrapped) == f"<lora:{text}> <lora:ink:1>"


@given(st.text(max_size=80))
def test_what_is_left_holds_no_tag(text: str) -> None:
    rest, tags = take_loras(f"{text} <lora:ink:0.5> {text}".replace("<lora:", "<lora:", 1))
    assert tags and take_loras(rest) == (rest, ())
