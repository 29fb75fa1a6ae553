"""Closing windows: one mail of what was kept for somebody, or none and why not; in one transaction."""

import time
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import msgspec

from singr_comms._links import Links, SiteUrls
from singr_comms.catalogue import Message, message_types
from singr_comms.messages.digest import MESSAGE_TYPE
from singr_comms.notifications._person_keys import Keys
from singr_comms.notifications._rows import CONTENT
from singr_comms.notifications.branding._worn import Brands, Wardrobe
from singr_comms.notifications.channels.email import SendEmail
from singr_comms.notifications.sending._try import PREFERENCE, UNQUIET, UNWANTED
from singr_comms.notifying._words import EMPTY, MAILLESS, UNREADABLE, WORDS
from singr_comms.notifying.digests import _sql as sql
from singr_comms.notifying.digests._joining import Period
from singr_comms.notifying.digests._opening import (
    PAUSE_SECONDS,
    Opened,
    Shut,
    opened,
    tell_of_given_up,
    tell_of_held,
)
from singr_comms.notifying.digests._words import Dressed, digest_of
from singr_comms.people import open_keys
from singr_comms.people.preferences._rule import rule_values
from singr_comms.people.recipients._sealing import name_of
from singr_config import BrandSettings
from singr_db import Database, PlatformSession, Sealer, new_id, past_deadlock
from singr_jobs import PermanentError, RetryLater, enqueue
from singr_observability import Metrics, correlation_id


class _None(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why there is no mail, as a message's `error` has it."""

    code: str
    message: str
    rule: str | None = None


_EMPTY: Final = _None(EMPTY, WORDS[EMPTY])
_NOWHERE: Final = _None("no_address", WORDS[MAILLESS])
_UNREADABLE: Final = _None(UNREADABLE, WORDS[UNREADABLE])
_AT_ONCE: Final = 50
# Seconds after which others have their turn.
_LONGEST: Final = 20.0
_encode = msgspec.json.Encoder().encode


class ClosedDigests(msgspec.Struct, frozen=True):
    """What came of windows.

    Attributes:
        closed: windows that were closed.
        mails: mails that were made; the others had nothing to tell, or nobody who wants it.
        held: windows that wait, with all or a part of what is in them, for a process that can open it.
        until: where a mail came already, the next time of its reader's own, until which all that is kept waits.
    """

    closed: int = 0
    mails: int = 0
    held: int = 0
    until: datetime | None = None


class _Closed(msgspec.Struct, frozen=True):
    """What came of a window: mails, and why all or a part of it waits."""

    mails: int = 0
    held: tuple[UUID, Shut] | None = None


class Digests:
    """Makes digests of what was kept for people; a worker passes it as resource.

    A window's row is held while it is closed: whoever adds an item meanwhile waits, and opens the next one. Items go,
    the mail and its job come, in one transaction: whatever dies, each item is told once.

    What this process cannot open, for want of a secret or a type, is left for one that can: tried every 15 minutes, and
    after a day without what waits. What nobody opened for 30 days goes, and is told of as `unreadable`.

    Args:
        db: the database; its platform sessions are used, each statement names its organization.
        sealer: opens items.
        sites: where all that happened can be seen.
        brand: in whose name items speak, in the own words of their organization where it has some.
        metrics: where it counts what is held; nowhere unless given.
        own_names: as `Brands` takes them.
    """

    def __init__(
        self,
        db: Database,
        sealer: Sealer,
        sites: SiteUrls,
        brand: BrandSettings | None = None,
        *,
        metrics: Metrics | None = None,
        own_names: Collection[str] = (),
    ) -> None:
        self._db = db
        self._metrics = metrics
        self._sealer = sealer
        self._link = Links(sites).account()
        self._brand = BrandSettings() if brand is None else brand
        # of what they wear, items show words alone
        self._brands = Brands(db, brand=self._brand, api_url="", own_names=own_names)

    async def close_due(self, organization_id: UUID) -> ClosedDigests:
        """Close the windows of an organization that are due, by some dozens a transaction, for some seconds."""
        began, done = time.monotonic(), ClosedDigests()
        types = [declared.name for declared in message_types]
        values = {"organization_id": organization_id, "types": types, "limit": _AT_ONCE}

        async def bite() -> tuple[int, list[_Closed]]:
            async with self._db.platform() as session:
                rows = (await session.execute(sql.DUE, values)).all()
                if late := [row.id for row in rows if row.is_late]:
                    await session.execute(sql.LATER, values | {"ids": late})
                due = [row for row in rows if not row.is_late]
                keys = await open_keys(session, self._sealer, {row.key_id for row in due})
                return len(rows), [await self._close(session, row, keys) for row in due]

        while True:
            found, here = await past_deadlock(bite)
            held = [one.held for one in here if one.held is not None]
            self._tell(held)
            mails = sum(one.mails for one in here)
            done = ClosedDigests(done.closed + len(here) - len(held), done.mails + mails, done.held + len(held))
            if found < _AT_ONCE or time.monotonic() - began > _LONGEST:
                return done

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

        Their windows stay open for the rest. After a mail of a period, by a window or by this, none is made before the
        next time at which their digests come: what is kept stays where it is, and `until` says when that is.

        Args:
            user: the recipient, by the organization's own id, or by the id of their account.
            period: of which windows.
            start: items from this time on,
            end: and before this time.
            organization_id: whose recipient it is.
            asked_by: the job that asks: asked again, it makes no second mail.

        Raises:
            PermanentError: there is no such recipient.
            RetryLater: this process cannot open all of it, or these are their quiet hours; nothing is taken.
        """
        message_id = _of_job(asked_by)

        async def make() -> ClosedDigests:
            async with self._db.platform() as session:
                which = {"organization_id": organization_id, "id": message_id, "name": user, "period": period}
                if await session.scalar(sql.IS_MADE, which):
                    return ClosedDigests()
                who = (await session.execute(sql.PERSON, which | {"user_id": _account(user)})).one_or_none()
                if who is None:
                    raise PermanentError("unknown_recipient", "this organization has no such recipient")
                which |= {"recipient_id": who.recipient_id}
                rows = (await session.execute(sql.OPEN, which)).all()
                if (until := await _rests(session, which)) is not None:
                    return ClosedDigests(until=until)
                mails = await self._make_now(session, who, rows, message_id, start=start, end=end)
                if mails:
                    await session.execute(sql.TOLD, which | {"type": MESSAGE_TYPE.name, "message_id": message_id})
                return ClosedDigests(mails=mails)

        return await past_deadlock(make)

    async def _make_now(
        self, session: PlatformSession, who: Any, rows: Sequence[Any], message_id: UUID, **span: datetime
    ) -> int:
        """Make the mail of what is in somebody's open windows and came in a span; how many mails that makes."""
        windows: list[UUID] = []
        unwanted = None
        for row in rows:
            if (no := await self._unwanted(session, row)) is None:
                windows.append(row.id)
            else:  # what is in it stays there: its closing asks again, and says why not
                unwanted = no
        kept = {"organization_id": who.organization_id, "windows": windows}
        kept |= {"since": span["start"], "until": span["end"]}
        await session.execute(sql.DISOWN, kept)
        items: int = (await session.execute(sql.HOLD, kept)).scalar_one()
        unwanted = unwanted if items == 0 else None
        keys = await open_keys(session, self._sealer, {who.key_id})
        found = await self._open(session, who, kept, unwanted, keys)
        if found.shut is not None and not found.is_all:
            self._tell([(who.recipient_id, found.shut)])
            raise RetryLater(PAUSE_SECONDS, UNREADABLE, f"left for another: {found.shut.why}", counts=False)
        await session.execute(sql.TAKEN, kept | {"but": [], **_place("to", None)})
        return await self._make(session, who, found, unwanted, keys, message_id=message_id)

    async def _close(self, session: PlatformSession, row: Any, keys: Keys) -> _Closed:
        """Close one window that is held by this session, or leave it, or a part of it, for another process."""
        window = {"organization_id": row.organization_id, "window_id": row.id}
        kept = {"organization_id": row.organization_id, "windows": [row.id], "since": None, "until": None}
        await session.execute(sql.DISOWN, kept)
        items: int = (await session.execute(sql.HOLD, kept)).scalar_one()
        if items == 0:
            await session.execute(sql.CLOSED, window | {"message_id": None})
            return _Closed()
        unwanted = await self._unwanted(session, row)
        found = await self._open(session, row, kept, unwanted, keys, in_part=row.is_held_long)
        if found.shut is not None and not found.is_all:
            in_part = bool(found.messages) and row.is_held_long
            await session.execute(sql.HELD, window | {"in_part": in_part, "pause": timedelta(seconds=PAUSE_SECONDS)})
            if found.waiting and not in_part:
                return _Closed(held=(row.id, found.shut))
            await session.execute(sql.TAKEN, kept | {"but": list(found.waiting), **_place("to", found.last)})
            made = await self._make(session, row, found, unwanted, keys, message_id=new_id())
            return _Closed(made, (row.id, found.shut))
        message_id = new_id()
        made = await self._make(session, row, found, unwanted, keys, message_id=message_id)
        await session.execute(sql.CLOSED, window | {"message_id": message_id})
        return _Closed(made)

    async def _open(
        self,
        session: PlatformSession,
        row: Any,
        kept: dict[str, Any],
        unwanted: _None | None,
        keys: Keys,
        *,
        in_part: bool = False,
    ) -> Opened:
        """Open what there is to tell, if anybody is to be told."""
        why = keys.shut.get(row.key_id)
        async with aclosing(_items(session, kept)) as items:
            if unwanted is not None or not row.is_reached or (why is None and row.key_id not in keys.known):
                first = await anext(items, None)
                return Opened(told=[] if first is None else [first])
            shut = None if why is None else Shut("key", f"the key of its reader: {why} (AUTH_SECRET_PREVIOUS)")
            return await opened(items, self._sealer, shut, in_part=in_part)

    def _tell(self, held: Sequence[tuple[UUID, Shut]]) -> None:
        """Say and count what waits, by window or recipient."""
        tell_of_held(held)
        for _, shut in held:
            if self._metrics is not None:
                self._metrics.digests_held.labels(shut.what).inc()

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
        found: Opened,
        unwanted: _None | None,
        keys: Keys,
        *,
        message_id: UUID,
    ) -> int:
        """Store the mail with its job, or why there is none; how many mails that makes."""
        tell_of_given_up(found.given_up, found.shut)
        key, digest = keys.known.get(row.key_id), None
        if found.messages:
            name = name_of(row.name_sealed, keys.known, row.key_id)
            wardrobe = await self._brands.wardrobe_of(session, row.organization_id, found.told)
            how: dict[str, Any] = {"dressed": self._dressed_by(wardrobe, row.locale), "link": self._link}
            said = {"opened": lambda item: found.messages[item.id], "who": row, "name": name, "period": row.period}
            said |= {"more": found.more, "last_at": found.told[-1].last_at if found.more else None}
            digest = digest_of(found.told, **said, **how)
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
            why = unwanted or _why_none(found)
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


async def _rests(session: PlatformSession, which: dict[str, Any]) -> datetime | None:
    """Until when somebody gets no mail of a period by a job; None where they may.

    Raises:
        RetryLater: not before their quiet hours end.
    """
    found = (await session.execute(sql.REST, which)).one()
    if found.until is not None and found.until > found.moment:
        until: datetime = found.until
        return until
    if found.quiet_until is not None:
        seconds = (found.quiet_until - found.moment).total_seconds()
        raise RetryLater(seconds, UNQUIET.code, "these are its recipient's quiet hours", counts=False)
    return None


async def _items(session: PlatformSession, kept: dict[str, Any]) -> AsyncGenerator[Any, None]:
    """What is kept and not over, in its order, read as far as it is asked for."""
    last = None
    while last is None or last.behind:
        page = (await session.execute(sql.PAGE, kept | _place("after", last))).all()
        if not page:
            return
        for item in page:
            yield item
        last = page[-1]


def _place(name: str, item: Any) -> dict[str, Any]:
    """Where an item is in their order, as statements have it; nowhere where there is none."""
    return {f"{name}_at": item and item.created_at, f"{name}_id": item and item.id}


def _why_none(found: Opened) -> _None:
    if found.messages or not (found.told or found.given_up):
        return _EMPTY
    return _UNREADABLE if found.given_up else _NOWHERE


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
