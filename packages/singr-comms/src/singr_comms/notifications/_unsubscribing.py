"""One-click unsubscribing (RFC 8058): the link that mails of organizations carry, and what comes of it."""

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

import msgspec

from singr_comms._errors import CommsError
from singr_comms.catalogue import message_types
from singr_comms.channels.email import EmailEnvelope
from singr_comms.notifications._rows import RECIPIENT, normalized
from singr_comms.notifications.sending._suppressions import mail_held_back, suppress_by_reader
from singr_db import PlatformSession, Sealer, sql_text

PATH: Final = "/v1/unsubscribe/"
_CONTEXT: Final = "unsubscribe.email"
_MARKETING: Final = b"\x01"
_MAC_BYTES: Final = 32
# Scope, organization, fingerprint of the address, code of authentication: 81 bytes, so that no bit of the last
# character is spare, and each token is written in one way only.
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{108}")
_ORGANIZATION: Final = slice(1, 17)
_NAME: Final = sql_text("SELECT name FROM organizations WHERE id = :id")


class UnsubscribeLinkError(CommsError, LookupError):
    """This is no link of a mail of ours, or not all of it."""


class UnsubscribeLinks:
    """Gives mails that speak for an organization the link by which its reader ends them.

    It is a pure function of what is stored, so that every try of a mail is the same: the code is made with the secret
    of the message's own fingerprint, also where `AUTH_SECRET` has changed since. It never expires.

    Args:
        sealer: authenticates the links.
        base: where the API is reached (`APP_URL_API`); without one, mails carry no link.
    """

    def __init__(self, sealer: Sealer, base: str | None) -> None:
        self._sealer = sealer
        self._start = base and base.rstrip("/") + PATH

    def enclosed(self, envelope: Any, kind: str, organization_id: UUID, recipient_hash: bytes) -> Any:
        """Return an envelope with its link, where its type has one."""
        if not (self._start and isinstance(envelope, EmailEnvelope) and _may_be_ended(kind)):
            return envelope
        claims = _MARKETING + organization_id.bytes + recipient_hash
        codes = self._sealer.fingerprints(claims.hex(), context=_CONTEXT)
        prints = self._sealer.fingerprints(normalized(envelope.to.email), context=RECIPIENT)
        code = next((code for code, known in zip(codes, prints, strict=True) if known == recipient_hash), codes[0])
        token = urlsafe_b64encode(claims + code).decode()
        return msgspec.structs.replace(envelope, unsubscribe=self._start + token)


async def organization_of_link(session: PlatformSession, sealer: Sealer, token: str) -> str | None:
    """Return the name of the organization whose mails a link ends; None where it is gone. Changes nothing.

    Raises:
        UnsubscribeLinkError: it is no such link.
    """
    organization_id, _ = _read(sealer, token)
    name: str | None = await session.scalar(_NAME, {"id": organization_id})
    return name


def reader_of_link(sealer: Sealer, token: str) -> tuple[UUID, bytes]:
    """Return whose mails a link ends, and the fingerprint of the address that they went to.

    Raises:
        UnsubscribeLinkError: it is no such link.
    """
    return _read(sealer, token)


async def unsubscribe(session: PlatformSession, sealer: Sealer, token: str) -> None:
    """Suppress what an organization sends to an address in its own name; again is as once.

    Args:
        session: the caller's transaction.
        sealer: made from `AUTH_SECRET`; links of secrets of before work as well.
        token: the last part of the link.

    Raises:
        UnsubscribeLinkError: it is no such link.
    """
    organization_id, recipient_hash = _read(sealer, token)
    await suppress_by_reader(session, organization_id=organization_id, recipient_hash=recipient_hash)


async def mail_ended_by_reader(
    session: PlatformSession, sealer: Sealer, token: str, kinds: Iterable[str]
) -> frozenset[str]:
    """Of some types, those of which the reader of a link gets no mail: they unsubscribed, or their address takes none.

    Args:
        session: the caller's transaction; nothing is changed.
        sealer: made from `AUTH_SECRET`; links of secrets of before work as well.
        token: the last part of the link.
        kinds: names of types.

    Raises:
        UnsubscribeLinkError: it is no such link.
    """
    organization_id, recipient_hash = _read(sealer, token)
    return await mail_held_back(session, kinds, organization_id=organization_id, recipient_hash=recipient_hash)


def _may_be_ended(kind: str) -> bool:
    declared = message_types.named(kind)
    if declared is None or declared.carries_code or declared.concerns_security:
        return False
    return declared.speaks_for == "organization"


def _read(sealer: Sealer, token: str) -> tuple[UUID, bytes]:
    raw = urlsafe_b64decode(token) if _TOKEN.fullmatch(token) else b""
    claims, code = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    codes = sealer.fingerprints(claims.hex(), context=_CONTEXT)
    if not any([hmac.compare_digest(code, one) for one in codes]) or claims[:1] != _MARKETING:  # noqa: C419 - all of them, in constant time
        raise UnsubscribeLinkError("this is no link of a mail of ours, or not all of it")
    return UUID(bytes=claims[_ORGANIZATION]), claims[_ORGANIZATION.stop :]
