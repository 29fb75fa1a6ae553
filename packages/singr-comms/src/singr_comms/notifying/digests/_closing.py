"""Closing windows: one mail of what was kept for somebody, or none and why not; in one transaction."""

import time
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import msgspec

from singr_comms._links import Links, SiteUrls
from singr_comms.catalogue import Message, message_types
from singr_comms.messages.digest import MESSAGE_TYPE
from singr_comms.notifications._rows import CONTENT
from singr_comms.notifications.branding._worn import Brands, Wardrobe
from singr_comms.notifications.channels.email import SendEmail
from singr_comms.notifications.sending._try import PREFERENCE, UNWANTED
from singr_comms.notifying._words import EMPTY, MAILLESS, WORDS
from singr_comms.notifying.digests import _sql as sql
from singr_comms.notifying.digests._joining import Period
from singr_comms.notifying.digests._words import Dressed, digest_of, opened_by
from singr_comms.people import read_keys
from singr_comms.people.preferences._rule import rule_values
from singr_comms.people.recipients._sealing import name_of
from singr_config import BrandSettings
from singr_db import Database, PersonKey, PlatformSession, Sealer, new_id, past_deadlock
from singr_jobs import PermanentError, enqueue
from singr_observability import correlation_id


class _None(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why there is no mail, as a message's `error` has it."""

    code: str
    message: str
    rule: str | None = None


_EMPTY: Final = _None(EMPTY, WORDS[EMPTY])
_NOWHERE: Final = _None("no_address", WORDS[MAILLESS])
_AT_ONCE: Final = 50
# Seconds after which others have their turn.
_LONGEST: Final = 20.0
_encode = msgspec.json.Encoder().encode


class ClosedDigests(msgspec.Struct, frozen=True):
    """What came of windows.

    Attributes:
        closed: windows that were closed.
        mails: mails that were made of them; the others had nothing to tell, or nobody who wants it.
    """

    closed: int = 0
    mails: int = 0


class Digests:
    """Makes digests of what was kept for people; a worker passes it as resource.

    A window's row is held while it is closed: whoever adds an item meanwhile waits, and opens the next one. Items go,
    the mail and its job come, in one transaction: whatever dies, each item is told once.

    Args:
        db: the database; its platform sessions are used, each statement names its organization.
        sealer: opens items.
        sites: where all that happened can be seen.
        brand: in whose name items speak, in the own words of their organization where it has some.
    """

    def __init__(self, db: Database, sealer: Sealer, sites: SiteUrls, brand: BrandSettings | None = None) -> None:
        self._db = db
        self._sealer = sealer
        self._link = Links(sites).account()
        self._brand = BrandSettings() if brand is None else brand
        self._brands = Brands(db, brand=self._brand, api_url="")  # of what they wear, items show words alone

    async def close_due(self, organization_id: UUID) -> ClosedDigests:
        """Close the windows of an organization that are due, by some dozens a transaction, for some seconds."""
        began, closed, mails = time.monotonic(), 0, 0
        types = [declared.name for declared in message_types]
        values = {"organization_id": organization_id, "types": types, "limit": _AT_ONCE}

        async def bite() -> tuple[int, int, int]:
            async with self._db.platform() as session:
                rows = (await session.execute(sql.DUE, values)).all()
                if late := [row.id for row in rows if row.is_late]:
                    await session.execute(sql.LATER, values | {"ids": late})
                due = [row for row in rows if not row.is_late]
                keys = await read_keys(session, self._sealer, {row.key_id for row in due}) if due else {}
                made = [await self._close(session, row, keys) for row in due]
            return len(rows), len(due), sum(made)

        while True:
            found, here, made = await past_deadlock(bite)
            closed, mails = closed + here, mails + made
            if found < _AT_ONCE or time.monotonic() - began > _LONGEST:
                return ClosedDigests(closed, mails)

    async def send(
        self,
        user: str,
        period: Period,
        *,
        start: datetime,
        end: datetime,
        organization_id: UUID,
        asked_by: UUID,
    ) -> ClosedDigests:
        """Make one mail now of all that is kept for somebody, of whatever types, and came between two moments.

        Their windows stay open for the rest.

        Args:
            user: the recipient, by the organization's own id, or by the id of their account.
            period: of which windows.
            start: items from this time on,
            end: and before this time.
            organization_id: whose recipient it is.
            asked_by: the job that asks: asked again, it makes no second mail.

        Raises:
            PermanentError: there is no such recipient.
        """
        message_id = _of_job(asked_by)

        async def make() -> int:
            async with self._db.platform() as session:
                which = {"organization_id": organization_id, "id": message_id, "name": user, "period": period}
                if await session.scalar(sql.IS_MADE, which):
                    return 0
                who = (await session.execute(sql.PERSON, which | {"user_id": _account(user)})).one_or_none()
                if who is None:
                    raise PermanentError("unknown_recipient", "this organization has no such recipient")
                items: list[Any] = []
                unwanted = None
                for row in (await session.execute(sql.OPEN, which | {"recipient_id": who.recipient_id})).all():
                    if (no := await self._unwanted(session, row)) is None:
                        items += await self._items(session, row, start, end)
                    else:  # what is in it stays there: its closing asks again, and says why not
                        unwanted = no
                keys = await read_keys(session, self._sealer, {who.key_id})
                return await self._make(session, who, items, None if items else unwanted, keys, message_id=message_id)

        return ClosedDigests(mails=await past_deadlock(make))

    async def _close(self, session: PlatformSession, row: Any, keys: dict[UUID, PersonKey]) -> int:
        """Close one window that is held; how many mails came of it."""
        items = await self._items(session, row)
        message_id, made = None, 0
        if items:
            message_id = new_id()
            unwanted = await self._unwanted(session, row)
            made = await self._make(session, row, items, unwanted, keys, message_id=message_id)
        values = {"organization_id": row.organization_id, "window_id": row.id, "message_id": message_id}
        await session.execute(sql.CLOSED, values)
        return made

    async def _items(
        self, session: PlatformSession, row: Any, since: datetime | None = None, until: datetime | None = None
    ) -> Sequence[Any]:
        """Take the items of a window out of it."""
        values = {"organization_id": row.organization_id, "window_id": row.id, "since": since, "until": until}
        return (await session.execute(sql.ITEMS, values)).all()

    async def _unwanted(self, session: PlatformSession, row: Any) -> _None | None:
        """Why somebody does not want a window's type by mail; None where they do."""
        values = {
            **rule_values(row.type, message_types.named(row.type)),
            "organization_id": row.organization_id,
            "recipient_id": row.recipient_id,
            "channel": "email",
        }
        choice = (await session.execute(sql.CHOICE, values)).one()
        return None if choice.allowed else _None(PREFERENCE, UNWANTED.format(rule=choice.rule), choice.rule)

    async def _make(
        self,
        session: PlatformSession,
        row: Any,
        items: Sequence[Any],
        unwanted: _None | None,
        keys: dict[UUID, PersonKey],
        *,
        message_id: UUID,
    ) -> int:
        """Store the mail with its job, or why there is none; how many mails that makes."""
        fresh = sorted((item for item in items if not item.is_over), key=lambda item: (item.created_at, item.id))
        key = keys.get(row.key_id)
        if unwanted is None and fresh and row.is_reached and key is not None:
            name = name_of(row.name_sealed, keys, row.key_id)
            wardrobe = await self._brands.wardrobe_of(session, row.organization_id, fresh)
            how: dict[str, Any] = {"dressed": self._dressed_by(wardrobe, row.locale), "link": self._link}
            digest = digest_of(fresh, opened=opened_by(self._sealer), who=row, name=name, period=row.period, **how)
        else:
            digest = None
        values = {
            "id": message_id,
            "organization_id": row.organization_id,
            "recipient_id": row.recipient_id,
            "kind": MESSAGE_TYPE.name,
            "content": b"",
            "error": None,
            "correlation_id": correlation_id.get(None),
        }
        if digest is None or key is None:
            why = unwanted or (_EMPTY if not fresh or (key is not None and row.is_reached) else _NOWHERE)
            await session.execute(sql.MESSAGE, values | {"error": _encode(why).decode()})
            return 0
        await enqueue(session, SendEmail(message_id), organization_id=row.organization_id, job_id=message_id)
        await session.execute(sql.MESSAGE, values | {"content": key.seal(_encode(digest), context=CONTENT)})
        return 1

    def _dressed_by(self, wardrobe: Wardrobe, locale: str | None) -> Dressed:
        def dressed(item: Any, message: Message) -> tuple[BrandSettings, str]:
            worn, lang = wardrobe.told(message, item.channel, item.id, locale)
            return worn or self._brand, lang

        return dressed


def _account(user: str) -> UUID | None:
    try:
        return UUID(user)
    except ValueError:  # an id of the organization's own
        return None


def _of_job(job_id: UUID) -> UUID:
    """The id of what a job makes once: of the job's own time, so that it lies in the same week."""
    made = bytearray(job_id.bytes[:6] + sha256(job_id.bytes).digest()[:10])
    made[6] = 0x70 | made[6] & 0x0F
    made[8] = 0x80 | made[8] & 0x3F
    return UUID(bytes=bytes(made))
