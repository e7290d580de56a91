"""Refuses prompts that hold a word of the policy file's list. It knows words, not what is meant by them.

    {"safety_filters": ["word-list"], "word-list": {"words": ["some word", "another"], "message": "…"}}

Words are compared whole, in any case, accents and width aside ("ｗｏｒｄ", "wörd" and "Word" are "word");
a phrase matches with any spaces and punctuation between its words. Each prompt is read twice: as it is
written, and as the model reads it, without marks and with what the request's seed chooses. `message` is what
the user is told.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from underpaint.engine import prompts
from underpaint.errors import InvalidRequest
from underpaint.hookspecs import SafetyFilter, hookimpl

NAME = "word-list"
MESSAGE = "The prompt holds a word that the policy of this machine does not allow. Use other words."


def check_request(request: Mapping[str, object], options: Mapping[str, object]) -> str:
    """ "" or the message. Looks at the prompts of the picture and of its regions.

    A negative prompt is left alone: it says what to leave out.

    Raises `InvalidRequest` for options that hold no words.
    """
    words = options.get("words")
    if not isinstance(words, Sequence) or isinstance(words, str) or not words:
        raise InvalidRequest(
            'The safety filter word-list is on and has no words: the policy file must hold {"word-list": '
            '{"words": ["…"]}}, or not turn it on.'
        )
    given = request.get("seed", 0)
    seed = given if isinstance(given, int) else 0
    written = {"prompt": str(request.get("prompt", ""))}
    regions = request.get("regions", ())
    for number, region in enumerate(regions if isinstance(regions, Sequence) else ()):
        written[prompts.region_label(number)] = str(region.get("prompt", ""))
    read = [prompts.plain(prompts.choose(prompt, seed, label)) for label, prompt in written.items()]
    texts = [f" {plain(text)} " for text in (*written.values(), *read)]
    listed = [f" {plain(str(word))} " for word in words if plain(str(word))]
    found = any(word in text for word in listed for text in texts)
    return str(options.get("message") or MESSAGE) if found else ""


def plain(text: str) -> str:
    """Lower-case words with single spaces, without accents, punctuation and typographic variants."""
    taken_apart = unicodedata.normalize("NFKD", text).casefold()
    letters = "".join(letter for letter in taken_apart if not unicodedata.combining(letter))
    return " ".join(re.findall(r"\w+", letters))


@hookimpl
def underpaint_safety_filters() -> Sequence[SafetyFilter]:
    """The filter."""
    return [SafetyFilter(name=NAME, title="Words that are not allowed", check_request=check_request)]
