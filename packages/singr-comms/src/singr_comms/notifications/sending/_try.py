"""One try at one message, and who may be called for it."""

import asyncio
import time
from uuid import UUID

import msgspec

from singr_comms.channels._channel import Provider


class Try(msgspec.Struct, frozen=True):
    """One try at one message.

    Args:
        message_id: its row.
        organization_id: whose it is.
        channel: by which it travels.
        provider: who is called.
        is_last_attempt: no further try will come.
        others: who may be called in the same try, where this one certainly did not take it; the nearest first.
        began: when it began, in seconds that pass evenly.
        cut_short: set once the try is being cancelled.
    """

    message_id: UUID
    organization_id: UUID
    channel: str
    provider: Provider
    is_last_attempt: bool
    others: tuple[Provider, ...] = ()
    began: float = msgspec.field(default_factory=time.monotonic)
    cut_short: asyncio.Event = msgspec.field(default_factory=asyncio.Event)

    def at(self, provider: Provider, *others: Provider) -> "Try":
        """The same try, at another provider."""
        return msgspec.structs.replace(self, provider=provider, others=others)
