"""What the links say by which readers of mails end and choose what they get: whose it is, and proof that it is ours."""

import hmac
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import msgspec

from singr_comms._errors import CommsError
from singr_config.clock import clock
from singr_db import Sealer

_CONTEXT: Final = "unsubscribe.email"
# The first byte says which link it is, and what follows.
_MARKETING: Final = b"\x01"  # organization, fingerprint of the address
_CATEGORY: Final = b"\x02"  # organization, fingerprint of the address, recipient or none, category and channel
_SIGNED_IN: Final = b"\x03"  # organization, recipient, end
_IN_SESSION: Final = b"\x04"  # organization, recipient, end, session
_MAC_BYTES: Final = 32
_NOBODY: Final = UUID(int=0)
_SHORTEST: Final = re.compile(r"[A-Za-z0-9_-]{100,400}")
_END: Final = struct.Struct(">q")
_ORGANIZATION, _ADDRESS, _PERSON, _NAMES = slice(1, 17), slice(17, 49), slice(49, 65), slice(65, None)
_MEMBER, _UNTIL, _SESSION = slice(17, 33), slice(33, 41), slice(41, 57)


class UnsubscribeLinkError(CommsError, LookupError):
    """This link is not from one of our mails, or it is incomplete."""


class LinkOverError(UnsubscribeLinkError):
    """This link has expired."""


class ReaderLink(msgspec.Struct, frozen=True, kw_only=True):
    """What a link says.

    Args:
        organization_id: whose mails it is about.
        address_hash: the fingerprint of the address that its mail went to; None of one for somebody who is signed in.
        recipient_id: the recipient whom it went to, where it went to one.
        category: what a click on it ends; None: what the organization sends in its own name.
        channel: by which way that goes.
        until: when it is over; None: never.
        session_id: the session that it was requested in, which it ends with, where that is known.
    """

    organization_id: UUID
    address_hash: bytes | None = None
    recipient_id: UUID | None = None
    category: str | None = None
    channel: str | None = None
    until: datetime | None = None
    session_id: UUID | None = None


def written(sealer: Sealer, link: ReaderLink, *, key: int = 0) -> str:
    """The token of a link: a pure function of what it says and of the secret.

    Args:
        sealer: authenticates it.
        link: what it says.
        key: with which of the secrets; the newest unless given.
    """
    claims = _claims(link)
    claims += bytes(-(len(claims) + _MAC_BYTES) % 3)  # no bit of the last character is spare: one way to write it
    code = sealer.fingerprints(claims.hex(), context=_CONTEXT)[key]
    return urlsafe_b64encode(claims + code).decode()


def read_link(sealer: Sealer, token: str) -> ReaderLink:
    """What a link says whose token this is.

    Args:
        sealer: made from `AUTH_SECRET`; links of secrets of before work as well.
        token: the last part of the link.

    Raises:
        LinkOverError: it was for a while.
        UnsubscribeLinkError: it is no such link.
    """
    raw = urlsafe_b64decode(token) if _SHORTEST.fullmatch(token) and len(token) % 4 == 0 else b""
    claims, code = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    codes = sealer.fingerprints(claims.hex(), context=_CONTEXT)
    link = _said(claims) if any([hmac.compare_digest(code, one) for one in codes]) else None  # noqa: C419 - all of them, in constant time
    if link is None:
        raise UnsubscribeLinkError("this link is not from one of our mails, or it is incomplete")
    if link.until is not None and link.until <= clock.now():
        raise LinkOverError("this link has expired")
    return link


def _claims(link: ReaderLink) -> bytes:
    organization, person = link.organization_id.bytes, (link.recipient_id or _NOBODY).bytes
    if link.until is not None:
        said = organization + person + _END.pack(int(link.until.timestamp()))
        return _SIGNED_IN + said if link.session_id is None else _IN_SESSION + said + link.session_id.bytes
    if link.address_hash is None:
        raise ValueError("a link without an end is of a mail, and names the address that it went to")
    if link.category is None:
        return _MARKETING + organization + link.address_hash
    return _CATEGORY + organization + link.address_hash + person + f"{link.channel} {link.category}".encode()


def _said(claims: bytes) -> ReaderLink | None:
    organization = UUID(bytes=claims[_ORGANIZATION])
    match claims[:1]:
        case b"\x01":
            return ReaderLink(organization_id=organization, address_hash=claims[_ADDRESS])
        case b"\x02":
            channel, _, category = claims[_NAMES].rstrip(b"\0").decode().partition(" ")
            person = UUID(bytes=claims[_PERSON])
            return ReaderLink(
                organization_id=organization,
                address_hash=claims[_ADDRESS],
                recipient_id=None if person == _NOBODY else person,
                category=category,
                channel=channel,
            )
        case b"\x03" | b"\x04" as which:
            (end,) = _END.unpack(claims[_UNTIL])
            return ReaderLink(
                organization_id=organization,
                recipient_id=UUID(bytes=claims[_MEMBER]),
                until=datetime.fromtimestamp(end, UTC),
                session_id=UUID(bytes=claims[_SESSION]) if which == _IN_SESSION else None,
            )
    return None
