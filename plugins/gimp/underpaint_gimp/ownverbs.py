# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs that underpaint brings itself: each a procedure of its own, with an argument for each value.

They come and go with the plug-in's version, so GIMP's list of procedures, which it keeps, is never wrong.
"""

from __future__ import annotations

import functools
from typing import Any

from underpaint.hookspecs import Verb
from underpaint.host import fields_of, standard_verbs
from underpaint.types import Parameter

from .arguments import READWRITE, text_of

PREFIX = "underpaint-"


@functools.lru_cache(maxsize=1)
def own_verbs() -> dict[str, Verb]:
    """By the procedure's name."""
    return {PREFIX + verb.name: verb for verb in standard_verbs()}


def is_whole(number: Parameter) -> bool:
    """Whether it counts something: no fractions."""
    return number.step == 1.0


def add_values(procedure: Any, verb: Verb) -> None:
    """What a verb takes beside the prompt, in the order of its dialog."""
    for name in fields_of(verb):
        label = name.replace("-", " ").capitalize()
        procedure.add_string_argument(name, label, label, "", READWRITE)
    for number in verb.numbers:
        label = number.title or number.name
        limits = (number.minimum, number.maximum, number.default)
        if is_whole(number):
            procedure.add_int_argument(number.name, label, label, *map(int, limits), READWRITE)
        else:
            procedure.add_double_argument(number.name, label, label, *limits, READWRITE)


def names_of(procedure: str) -> tuple[str, ...]:
    """The arguments that `add_values` gave a procedure."""
    verb = own_verbs().get(procedure)
    return () if verb is None else (*fields_of(verb), *(number.name for number in verb.numbers))


def given_to(verb: Verb, config: Any) -> dict[str, float | str]:
    """What a verb is called with: its numbers, its texts, the prompt among them."""
    numbers = {number.name: float(config.get_property(number.name)) for number in verb.numbers}
    return {**numbers, **{name: text_of(config, name) for name in verb.texts}}
