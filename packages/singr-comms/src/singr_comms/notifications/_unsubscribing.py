"""One-click unsubscribing (RFC 8058): the link that mails of organizations carry, and what comes of it."""

from typing import Any, Final
from uuid import UUID

import msgspec

from singr_comms.catalogue import message_types
from singr_comms.channels.email import CHANNEL as EMAIL
from singr_comms.channels.email import EmailEnvelope
from singr_comms.notifications._reader_links import ReaderLink, UnsubscribeLinkError, written
from singr_comms.notifications._rows import RECIPIENT, normalized
from singr_comms.notifications.branding._worn import ORGANIZATION_LOCALE_SQL, fitted
from singr_comms.notifications.sending._suppressions import suppress_by_reader
from singr_db import PlatformSession, Sealer, sql_text

PATH: Final = "/v1/unsubscribe/"
CHOICES: Final = "/preferences/"
_SENDER: Final = sql_text(
    f"""
SELECT coalesce(brand.name, o.name) AS name, {ORGANIZATION_LOCALE_SQL.format("o.id")} AS locale,
       brand.name AS brand, brand.logo_id, brand.logo_width, brand.logo_height
  FROM organizations AS o LEFT JOIN LATERAL (
       SELECT name, logo_id, logo_width, logo_height FROM brandings AS b
        WHERE b.organization_id = o.id AND b.starts_at <= now() ORDER BY b.starts_at DESC, b.id DESC LIMIT 1
       ) AS brand ON true
 WHERE o.id = :id
"""  # noqa: S608 - constants
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


class Sender(msgspec.Struct, frozen=True):
    """The organization whose mails a link is of, by the brand that is in force.

    Args:
        name: as its mails are signed; None where it is gone.
        locale: the language of readers who have none of their own.
        brand: what its brand is called; None without one.
        logo_id: by which its logo can be had.
        logo_width: as mails show it, in pixels.
        logo_height: likewise.
    """

    name: str | None = None
    locale: str | None = None
    brand: str | None = None
    logo_id: UUID | None = None
    logo_width: int = 0
    logo_height: int = 0


async def sender_of(session: PlatformSession, link: ReaderLink) -> Sender:
    """Return the organization whose mails a link ends."""
    row = (await session.execute(_SENDER, {"id": link.organization_id})).one_or_none()
    if row is None:
        return Sender()
    if row.logo_id is None:
        return Sender(row.name, row.locale, row.brand)
    return Sender(row.name, row.locale, row.brand, row.logo_id, *fitted(row.logo_width, row.logo_height))


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
