"""Whom news are about: they suppress the recipient of their message, and nobody in the place of another."""

from collections.abc import Iterator
from email.utils import parseaddr
from typing import Any, Final

from msgspec.structs import replace

from singr_comms.inbound import MessageNews
from singr_comms.notifications._rows import prints_of
from singr_db import Sealer

OF_ANOTHER: Final = "nobody is suppressed: it names other recipients than the message has"


def of_its_recipient(sealer: Sealer, news: MessageNews, row: Any) -> MessageNews:
    """The news; without what stops an address, where they name recipients and the message's own is not among them.

    So it is with mail that is redirected while developing, or forwarded by what sends for us.
    """
    named = news.recipients or ((news.recipient,) if news.recipient else ())
    if news.stops is None or not named:
        return news
    ours = bytes(row.recipient_hash)
    if any(ours in prints_of(sealer, way) for said in named for way in _ways(row.channel, said)):
        return news
    return replace(news, stops=None)


def _ways(channel: str, said: str) -> Iterator[str]:
    """An address as we may have it: without the name before it, or the channel that Twilio writes before a number."""
    yield said
    yield parseaddr(said)[1] if channel == "email" else said.rpartition(":")[2]
