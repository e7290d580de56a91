"""The language of prompts (see `underpaint.prompts`), and what it does to specifications."""

from underpaint.engine.prompts.wildcards import choose_wildcards, region_label
from underpaint.prompts import Span, choose, escape, parse, plain

__all__ = ["Span", "choose", "choose_wildcards", "escape", "parse", "plain", "region_label"]
