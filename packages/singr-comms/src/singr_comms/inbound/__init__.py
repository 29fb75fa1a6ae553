"""Callbacks of providers, without a database: what proves one, and what it says. Each plainly named module is one.

`prove(…)` is what a web framework calls with what it received; `Proved.news()` is what came.
"""

from singr_comms.inbound._callback import (
    AddressNews,
    Callback,
    ForgedError,
    Inbound,
    InboundType,
    MessageNews,
    News,
    ObjectNews,
    Secrets,
    UnreadableError,
)
from singr_comms.inbound._doors import Doors, Proved, UnknownProviderError, inbound_types, secret_paths

__all__ = [
    "AddressNews",
    "Callback",
    "Doors",
    "ForgedError",
    "Inbound",
    "InboundType",
    "MessageNews",
    "News",
    "ObjectNews",
    "Proved",
    "Secrets",
    "UnknownProviderError",
    "UnreadableError",
    "inbound_types",
    "secret_paths",
]
