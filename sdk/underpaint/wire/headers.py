"""Names and numbers that both ends of the wire put into headers."""

from __future__ import annotations

from typing import Final

PROTOCOL_VERSION: Final = 1
"""The newest protocol that this code speaks."""
PROTOCOL_MINIMUM: Final = 1
"""The oldest protocol that this code still speaks."""

TOKEN_HEADER: Final = "authorization"
"""Carries `bearer(token)` on every call, health checks among them."""
PROTOCOL_HEADER: Final = "underpaint-protocol"
"""Carries the client's protocol version in decimal."""
STATUS_HEADER: Final = "grpc-status-details-bin"
"""The trailer with a serialised Status."""

_SCHEME: Final = "Bearer "


def bearer(token: str) -> str:
    """The value of `TOKEN_HEADER` for a token."""
    return _SCHEME + token


def call_metadata(token: str) -> dict[str, str]:
    """What a client sends with every call."""
    return {TOKEN_HEADER: bearer(token), PROTOCOL_HEADER: str(PROTOCOL_VERSION)}
