"""The word list: whole words, however they are written."""

from __future__ import annotations

import pytest

from underpaint.engine.filters.word_list import MESSAGE, check_request
from underpaint.errors import InvalidRequest


@pytest.mark.parametrize(
    ("words", "prompt", "refused"),
    [
        (["rose"], "a Rose, red", True),
        (["rose"], "ROSE", True),
        (["rose"], "a rosette", False),
        (["rose"], "roses", False),
        (["rose"], "prose", False),
        (["rosé"], "rose", True),
        (["rose"], "ro\u0301se and \uff52\uff4f\uff53\uff45", True),
        (["two words"], "two--words", True),
        (["two words"], "two other words", False),
        (["\u0448\u0438\u043f"], "\u0428\u0418\u041f", True),
        (["...", "rose"], "moss ...", False),
        (["rose"], "ro(s:1.2)e", True),
        (["rose"], r"ro[s]e", True),
        (["rose"], "ro{s|s}e", True),
        (["rose"], "{moss|rose} wall", True),
        (["rose"], r"\(rose\)", True),
        (["rose"], "(ro) (se)", False),
        (["strasse"], "Stra\u00dfe", True),
    ],
)
def test_a_prompt_with_a_listed_word_is_refused(words: list[str], prompt: str, refused: bool) -> None:
    assert check_request({"prompt": prompt}, {"words": words}) == (MESSAGE if refused else "")


def test_the_policys_own_message_is_told() -> None:
    assert check_request({"prompt": "rose"}, {"words": ["rose"], "message": "Not here."}) == "Not here."


@pytest.mark.parametrize("options", [{}, {"words": []}, {"words": "rose"}, {"words": None}])
def test_without_words_it_does_not_pretend_to_filter(options: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest, match="no words"):
        check_request({"prompt": "moss"}, options)


def test_a_job_without_a_prompt_passes() -> None:
    assert check_request({"preprocess": {}}, {"words": ["rose"]}) == ""


def test_prompts_of_regions_are_read_too() -> None:
    regions = [{"prompt": "moss"}, {"prompt": "a {red|red} rose"}]
    assert check_request({"prompt": "wall", "regions": regions}, {"words": ["red rose"]}) == MESSAGE
    assert check_request({"prompt": "wall", "regions": regions[:1]}, {"words": ["red rose"]}) == ""
