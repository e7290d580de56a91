"""The language of prompts (see `underpaint.prompts`), and what it does to specifications."""

from underpaint.engine.prompts.wildcards import choose_wildcards
from underpaint.prompts import Span, choose, escape, parse, plain, region_label

__all__ = ["Span", "choose", "choose_wildcards", "escape", "parse", "plain", "region_label"]
