"""Prompts as people write them: weights in brackets and wildcards in braces.

A backslash takes `( ) [ ] { } |` and itself out of that language: the next character is meant as it stands.
"""

from underpaint.engine.prompts.marks import escape
from underpaint.engine.prompts.weights import Span, parse, plain
from underpaint.engine.prompts.wildcards import choose, choose_wildcards, region_label

__all__ = ["Span", "choose", "choose_wildcards", "escape", "parse", "plain", "region_label"]
