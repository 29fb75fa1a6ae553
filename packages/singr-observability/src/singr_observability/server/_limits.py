"""How much a caller may send, how long it may take, and how many may call at once."""

from typing import Final

import msgspec

ENDLESS: Final = "singr_endless"
"""What an app sets in `scope["state"]` whose answer goes on until its caller leaves."""


class WireLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one connection, and all of them together, may take of a process.

    Attributes:
        head_bytes: request line and header fields together.
        fields: header fields of a request.
        head_seconds: from a request's first byte to the end of its head; and until the first byte of a new connection.
        body_seconds: from there to the last byte of its body.
        stalled_seconds: for which an answer waits for a caller who does not read on.
        connections: open at once.
        per_address: of one address (an IPv6 /64), unless it is this machine's own or a trusted proxy's.
        trusted: networks of proxies, through which many callers come.
    """

    head_bytes: int = 64 * 1024
    fields: int = 100
    head_seconds: float = 10.0
    body_seconds: float = 35.0
    stalled_seconds: float = 30.0
    connections: int = 4096
    per_address: int = 512
    trusted: tuple[str, ...] = ()
