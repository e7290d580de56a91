from __future__ import annotations

import pytest

from underpaint.engine.families.vocabulary import Vocabulary

KNOWN = {
    "materials": ["brick wall", "cobblestone", "wood", "polka dots"],
    "colours": ["red", "grey"],
    "words": ["large", "photo of"],
}
NEAR = {"stone": "cobblestone", "stone wall": "grey cobblestone", "timber": "wood", "wall": "brick wall"}


@pytest.mark.parametrize(
    ("prompt", "told", "replaced", "dropped"),
    [
        ("large red brick wall", "large red brick wall", {}, ()),
        ("Photo of RED, wood!", "photo of red wood", {}, ()),
        ("a stone path", "cobblestone", {"stone": "cobblestone"}, ("path",)),
        ("large stone wall", "large grey cobblestone", {"stone wall": "grey cobblestone"}, ()),
        ("grey stone wall", "grey cobblestone", {"stone wall": "grey cobblestone"}, ()),
        ("red cobblestome", "red cobblestone", {"cobblestome": "cobblestone"}, ()),
        ("timbre", "wood", {"timbre": "wood"}, ()),
        ("red wall", "red brick wall", {"wall": "brick wall"}, ()),
        ("brick", "brick", {}, ()),
        ("a dragon and the sea", "", {}, ("dragon",)),
        ("dragon dragon", "", {}, ("dragon",)),
        ("", "", {}, ()),
        ("materials", "", {}, ("materials",)),
    ],
)
def test_a_prompt_is_told_in_known_words(
    prompt: str, told: str, replaced: dict[str, str], dropped: tuple[str, ...]
) -> None:
    reading = Vocabulary(KNOWN, NEAR).read(prompt)
    assert (reading.prompt, dict(reading.replaced), reading.dropped) == (told, replaced, dropped)


def test_what_was_replaced_and_what_was_left_out_is_said() -> None:
    reading = Vocabulary(KNOWN, NEAR).read("timber dragon")
    assert reading.notes("swatch") == [
        "The model 'swatch' does not know all words; it was told 'wood' for 'timber'.",
        "The model 'swatch' does not know: dragon.",
    ]
    assert Vocabulary(KNOWN, NEAR).read("red wood").notes("swatch") == []


def test_a_near_word_that_the_model_does_not_know_itself_is_not_used() -> None:
    reading = Vocabulary(["red"], {"crimson": "red", "timber": "wood"}).read("crimson timber")
    assert (reading.prompt, reading.dropped) == ("red", ("timber",))
