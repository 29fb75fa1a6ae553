"""One-click unsubscribing (RFC 8058): the link that mails of organizations carry, and what comes of it."""

from typing import Any, Final
from uuid import UUID

import msgspec

from singr_comms.catalogue import message_types
from singr_comms.channels.email import CHANNEL as EMAIL
from singr_comms.channels.email import EmailEnvelope
from singr_comms.notifications._reader_links import ReaderLink, UnsubscribeLinkError, written
from singr_comms.notifications._rows import RECIPIENT, normalized
from singr_comms.notifications.branding._worn import ORGANIZATION_LOCALE_SQL
from singr_comms.notifications.sending._suppressions import suppress_by_reader
from singr_db import PlatformSession, Sealer, sql_text

PATH: Final = "/v1/unsubscribe/"
CHOICES: Final = "/preferences/"
_SENDER: Final = sql_text(
    f"SELECT name, {ORGANIZATION_LOCALE_SQL.format('o.id')} AS locale FROM organizations AS o WHERE id = :id"  # noqa: S608 - constants
)


class UnsubscribeLinks:
    """Gives mails that their reader can switch off the link that ends their category, and the one to choose by.

    Both are a pure function of what is stored, so that every try of a mail is the same: the code is made with the
    secret of the message's own fingerprint, also where `AUTH_SECRET` has changed since. They never expire.

    Args:
        sealer: authenticates the links.
        base: where the API is reached (`APP_URL_API`); without one, mails carry no link.
    """

    def __init__(self, sealer: Sealer, base: str | None) -> None:
        self._sealer = sealer
        self._base = base and base.rstrip("/")

    def enclosed(
        self,
        envelope: Any,
        kind: str,
        organization_id: UUID,
        recipient_hash: bytes,
        recipient_id: UUID | None = None,
    ) -> Any:
        """Return an envelope with its links, where its type has some."""
        declared = message_types.named(kind)
        if not (self._base and isinstance(envelope, EmailEnvelope)) or declared is None or declared.mandatory:
            return envelope
        if declared.speaks_for != "organization":
            return envelope
        link = ReaderLink(
            organization_id=organization_id,
            address_hash=recipient_hash,
            recipient_id=recipient_id,
            category=declared.category,
            channel=EMAIL.name,
        )
        prints = self._sealer.fingerprints(normalized(envelope.to.email), context=RECIPIENT)
        key = next((place for place, known in enumerate(prints) if known == recipient_hash), 0)
        token = written(self._sealer, link, key=key)
        choices = None if recipient_id is None else self._base + CHOICES + token
        return msgspec.structs.replace(envelope, unsubscribe=self._base + PATH + token, choices=choices)


async def sender_of(session: PlatformSession, link: ReaderLink) -> tuple[str | None, str | None]:
    """Return the name and the language of the organization whose mails a link ends; None where it is gone, or has none.

    The language is that of readers who have none of their own.
    """
    row = (await session.execute(_SENDER, {"id": link.organization_id})).one_or_none()
    return (None, None) if row is None else (row.name, row.locale)


async def end_for_address(session: PlatformSession, link: ReaderLink, *, everything: bool) -> None:
    """Suppress, for the address that a link's mail went to, the category that it names; again is as once.

    Raises:
        UnsubscribeLinkError: it is a link of no mail.
    """
    if link.address_hash is None:
        raise UnsubscribeLinkError("this link is of no mail: it ends none")
    await suppress_by_reader(
        session,
        organization_id=link.organization_id,
        recipient_hash=link.address_hash,
        category=None if everything else link.category,
    )
