"""Safety filters: off unless the user's settings or an administrator's policy file turn them on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

CheckRequest = Callable[[Mapping[str, object], Mapping[str, object]], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyFilter:
    """May refuse a request before it is queued, or a picture before it is kept; never changes either.

    Both checks answer "" to let it pass, or why not: a sentence for the user, who gets it as
    `ContentRefused`. `options` is what the policy file says under the filter's name, {} if nothing.

    - `check_request(request, options)` runs in the daemon, in any thread, and again when the job starts.
      `request` holds the resolved specification under the protocol's names ("prompt", "negative_prompt",
      "inpaint"…). It must answer within milliseconds.
    - `check_picture`, "module:callable", names `function(picture, request, options)`, run in a worker,
      in any thread; `picture` is a numpy array `(height, width, 4)`, float32, 0.0 to 1.0, straight alpha,
      sRGB, top row first.

    A filter that is turned on and raises, or is not there, refuses everything: it never lets pass by
    accident. What it raises is shown to the user, an `UnderpaintError` as it is.
    """

    name: str
    """Kebab-case; announced as the capability "safety-filter-NAME"."""
    title: str
    check_request: CheckRequest | None = None
    check_picture: str = ""
