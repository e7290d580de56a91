"""Prompts as people write them: weights in brackets, wildcards in braces, LoRAs in tags.

A backslash takes `( ) [ ] { } | <` and itself out of that language: the next character is meant as it stands.
"""

from underpaint.prompts.choices import choose, region_label
from underpaint.prompts.marks import escape
from underpaint.prompts.tags import LoraTag, take_loras
from underpaint.prompts.weights import Span, parse, plain
from underpaint.prompts.words import split_words

__all__ = [
    "LoraTag",
    "Span",
    "choose",
    "escape",
    "parse",
    "plain",
    "region_label",
    "split_words",
    "take_loras",
]
