"""What readers of mails do by their links: choose, and end what a mail was of; and the link of who is signed in."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from singr_comms.catalogue import message_types
from singr_comms.notifications._reader_links import LinkOverError, ReaderLink, UnsubscribeLinkError, read_link, written
from singr_comms.notifications._unsubscribing import Sender, end_for_address, sender_of
from singr_comms.notifications.branding._category_names import read_category_names
from singr_comms.notifications.sending._suppressions import mail_held_back
from singr_comms.people._errors import RecipientNotFoundError
from singr_comms.people.preferences._model import PreferenceChoice
from singr_comms.people.preferences._store import (
    PreferencesHolder,
    holder_by_address,
    keep_choices,
    prints_of_reader,
)
from singr_comms.people.privacy._prints import prints_of_email
from singr_comms.people.recipients._store import hold_recipient
from singr_config.clock import clock
from singr_db import PlatformSession, Sealer, sql_text

LASTS: Final = timedelta(hours=1)
"""So long somebody who is signed in may choose by their link."""
_FIND: Final = sql_text("""
SELECT id, external_id, locale, email_hash, email_sealed, key_id, user_id,
       user_id IS NULL AND last_user_id IS NOT NULL AS has_left
  FROM recipients
 WHERE organization_id = :organization_id AND id = :recipient_id
""")
# They chose such a type by itself once, which would go on in spite of the click.
_NARROWER: Final = sql_text("""
UPDATE preferences SET allowed = false, source = 'unsubscribe', updated_at = now()
 WHERE organization_id = :organization_id AND recipient_id = :recipient_id AND scope = 'type' AND channel = :channel
   AND name = ANY (CAST(:types AS text[])) AND allowed
""")


class LinkReader(msgspec.Struct, frozen=True, kw_only=True):
    """Who reads a mail with a link, or opened one while signed in.

    Attributes:
        sender: the organization, by its brand.
        holder: whose choices they make; None of an address that is no recipient's, or that of several, and where
            `is_former`.
        locale: their language, as far as it is known.
        category: what a click on the link ends; None: what the organization sends in its own name.
        category_names: what that is called, by language; empty where nobody said.
        address_hash: the fingerprint of the address that is meant; None where they have none.
        is_signed_in: the link is of somebody who was signed in, and of no mail.
        user_id: their account; None of a link of a mail.
        session_id: the session that the link was requested in, where that is known: whoever serves the link finds out
            whether it has ended, and opens nothing then.
        is_former: the mail went to an address that its recipient has no more: the link ends what goes there, and tells
            and changes nothing else.
    """

    sender: Sender
    holder: PreferencesHolder | None
    locale: str | None
    category: str | None
    category_names: Mapping[str, str]
    address_hash: bytes | None
    is_signed_in: bool
    user_id: UUID | None = None
    session_id: UUID | None = None
    is_former: bool = False


class PreferencesLink(msgspec.Struct, frozen=True):
    """Where somebody who is signed in chooses, without signing in again.

    Args:
        token: the last part of the address of the page.
        expires_at: until when.
    """

    token: str
    expires_at: datetime


async def reader_of_link(session: PlatformSession, sealer: Sealer, token: str) -> LinkReader:
    """Who reads by a link; changes nothing.

    A link that names a recipient is theirs as long as they have the address that its mail went to, whoever else has it;
    one that names an address alone is of the one recipient who has it. The holder reads that address.

    Args:
        session: the caller's transaction.
        sealer: made from `AUTH_SECRET`; links of secrets of before work as well.
        token: the last part of the link.

    Raises:
        LinkOverError: it was for a while; or it is of somebody signed in, whose account is the recipient's no more.
        UnsubscribeLinkError: it is no such link.
    """
    link = read_link(sealer, token)
    row = await _row(session, sealer, link)
    is_former = row is not None and not await _is_reached(session, sealer, link, row)
    row = None if is_former else row
    if link.until is not None and row is not None and row.has_left:
        raise LinkOverError("this link has expired")
    found = None
    if row is not None:
        whose = {"organization_id": link.organization_id, "recipient_id": row.id, "external_id": row.external_id}
        found = PreferencesHolder(**whose, reads=await _reads(session, sealer, link, row))
    return LinkReader(
        sender=await sender_of(session, link),
        holder=found,
        locale=None if row is None else row.locale,
        category=link.category,
        category_names=await read_category_names(session, link.category),
        address_hash=link.address_hash or (None if row is None else row.email_hash),
        is_signed_in=link.until is not None,
        user_id=None if link.until is None or row is None else row.user_id,
        session_id=link.session_id,
        is_former=is_former,
    )


async def reader_of_mail(session: PlatformSession, sealer: Sealer, token: str) -> LinkReader:
    """As `reader_of_link`, of the links of mails alone: by one of somebody who is signed in, nothing is ended.

    Raises:
        UnsubscribeLinkError: it is no such link.
    """
    _of_mail(read_link(sealer, token))
    return await reader_of_link(session, sealer, token)


async def mail_ended(
    session: PlatformSession, holder: PreferencesHolder, address_hash: bytes | None, kinds: Iterable[str]
) -> frozenset[str]:
    """Of some types, those of which an address gets no mail of an organization, whatever its reader chooses."""
    if address_hash is None:
        return frozenset()
    return await mail_held_back(session, kinds, organization_id=holder.organization_id, recipient_hash=address_hash)


async def end_by_link(session: PlatformSession, sealer: Sealer, token: str, *, everything: bool = False) -> None:
    """End what a link of a mail ends; again is as once.

    The category that it names: for the address that the mail went to, whoever has it, by a suppression; and by a choice
    of the recipient whom it went to, if they still have that address, which goes with them to another one. A link
    without a category ends all that the organization sends in its own name.

    Args:
        session: the caller's transaction.
        sealer: made from `AUTH_SECRET`; links of secrets of before work as well.
        token: the last part of the link.
        everything: all that the organization sends in its own name, whatever the link names.

    Raises:
        UnsubscribeLinkError: it is no link of a mail; nor is one of somebody who is signed in.
    """
    link = _of_mail(read_link(sealer, token))
    whom = None if everything or link.category is None else link.recipient_id
    row = await _row(session, sealer, link) if whom and await hold_recipient(session, whom, alone=True) else None
    if link.category is None or row is None or not await _is_reached(session, sealer, link, row):
        await end_for_address(session, link, everything=everything)
        return
    # By the fingerprint that the row has: by that of a former secret nothing is shown, nor lifted.
    link = msgspec.structs.replace(link, address_hash=row.email_hash)
    await end_for_address(session, link, everything=False)
    await _end_category(session, link, link.category)


def link_for(sealer: Sealer, holder: PreferencesHolder, *, session_id: UUID | None = None) -> PreferencesLink:
    """A link for a recipient who is signed in: it lasts an hour, and proves nothing else.

    Args:
        sealer: authenticates it.
        holder: whose choices are made by it.
        session_id: the session in which it is requested; `LinkReader` tells it to whoever serves the link.
    """
    until = clock.now().replace(microsecond=0) + LASTS
    link = ReaderLink(
        organization_id=holder.organization_id,
        recipient_id=holder.recipient_id,
        until=until,
        session_id=session_id,
    )
    return PreferencesLink(written(sealer, link), until)


def _of_mail(link: ReaderLink) -> ReaderLink:
    if link.until is not None:
        raise UnsubscribeLinkError("it is of somebody who is signed in, who chooses by it, and ends nothing else")
    return link


async def _end_category(session: PlatformSession, link: ReaderLink, category: str | None) -> None:
    holder = PreferencesHolder(organization_id=link.organization_id, recipient_id=link.recipient_id)
    off = PreferenceChoice(scope="category", name=category, channel=link.channel, allowed=False)
    await keep_choices(session, holder, [off], source="unsubscribe")
    values = {
        "organization_id": link.organization_id,
        "recipient_id": link.recipient_id,
        "channel": link.channel,
        "types": [one.name for one in message_types if one.category == category],
    }
    await session.execute(_NARROWER, values)


async def _reads(session: PlatformSession, sealer: Sealer, link: ReaderLink, row: Any) -> frozenset[bytes]:
    """The fingerprints of the address that a link's mail went to, which is a recipient's."""
    if link.address_hash is None:
        return frozenset()
    others = await prints_of_reader(session, sealer, link.organization_id, link.address_hash)
    return frozenset({link.address_hash, *others, *await prints_of_email(session, row, sealer)})


async def _is_reached(session: PlatformSession, sealer: Sealer, link: ReaderLink, row: Any) -> bool:
    """Whether the mail of a link went to the address that its recipient has; so did each that names no recipient."""
    if link.recipient_id is None or link.address_hash is None or link.address_hash == row.email_hash:
        return True
    return link.address_hash in await prints_of_email(session, row, sealer)


async def _row(session: PlatformSession, sealer: Sealer, link: ReaderLink) -> Any:
    """The recipient of a link; None where there is none, or nobody knows which."""
    values = {"organization_id": link.organization_id, "recipient_id": link.recipient_id}
    if link.recipient_id is None and link.address_hash is not None:
        try:
            holder = await holder_by_address(session, sealer, link.organization_id, link.address_hash)
        except RecipientNotFoundError:
            return None
        values["recipient_id"] = holder.recipient_id
    return (await session.execute(_FIND, values)).one_or_none()
