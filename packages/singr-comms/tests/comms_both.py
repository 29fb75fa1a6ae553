"""The same done with notifications in memory and with a database, and what came of it on each."""

from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from comms_crowds import Crowd
from sqlalchemy import text

from singr_comms.channels import CHANNELS
from singr_comms.messages.digest import Digest
from singr_comms.notifications._person_keys import open_sealed
from singr_comms.notifications._rows import CONTENT
from singr_comms.notifying import (
    Digests,
    FanOut,
    InvalidNotificationError,
    NotificationStateError,
    Notified,
    notify,
)
from singr_comms.people import (
    Member,
    PeopleError,
)
from singr_comms.testing import MemoryNotifications
from singr_jobs import PermanentError, RetryLater

_json = msgspec.json.Encoder()
_OVER_BY_THEN = """
UPDATE digest_items AS item SET expires_at = now() FROM digest_windows AS w
 WHERE w.id = item.window_id AND item.expires_at <= w.closes_at
"""
_MAILS = text("SELECT id FROM messages WHERE kind = 'digest' AND status = 'queued' ORDER BY id")
_DIGESTS = text("""
SELECT r.external_id, m.status, m.error ->> 'code' AS code, m.error ->> 'message' AS words, m.locale, m.content_sealed,
       k.wrapped
  FROM messages AS m LEFT JOIN recipients AS r ON r.id = m.recipient_id LEFT JOIN data_keys AS k ON k.id = m.key_id
 WHERE m.kind = 'digest'
""")
_CAME_TO = text("""
SELECT m.channel, r.external_id, m.recipient_masked, m.error ->> 'code' AS code, m.error ->> 'message' AS words,
       m.locale, m.content_sealed
  FROM messages AS m LEFT JOIN recipients AS r ON r.id = m.recipient_id WHERE m.notification_id = :id
""")


class Sites:
    url_web = url_customer = "https://singr.example"


class Accounts:
    """Everybody whom a test names is a member."""

    async def members(self, _session: Any, _organization: UUID, users: Any) -> dict[UUID, Member]:
        return {one: Member(one, name="Member") for one in users}


class Both:
    """The same done in memory and in a database."""

    def __init__(self, crowd: Crowd, bench: Any) -> None:
        self.crowd, self.bench = crowd, bench
        self.outbox = MemoryNotifications()
        self.told: list[tuple[UUID, UUID]] = []
        self.waiting: list[tuple[UUID, UUID]] = []
        self.gone: set[str] = set()  # a table knows no name of theirs any more

    async def do(self, what: Any) -> None:
        """Do something in a session of each; what it gives, or raises, must be the same."""
        came_to = []
        for where in (self.outbox, self.crowd.db):
            async with where.tenant(self.crowd.organization) as session:
                try:
                    came_to.append(await what(session))
                except (InvalidNotificationError, PeopleError) as error:
                    came_to.append(error.faults)
                except NotificationStateError as error:
                    came_to.append(error.state == "scheduled")
        assert came_to[0] == came_to[1]

    async def tell(self, to: Any, **options: Any) -> None:
        """Tell on both."""
        told: list[Notified] = []

        async def telling(session: Any) -> Any:
            told.append(await notify(session, to=to, sealer=self.crowd.sealer, **options))
            return told[-1].state == "scheduled", told[-1].is_new

        await self.do(telling)
        if not told:
            return
        here, there = (one.id for one in told)
        if (here, there) not in self.told:
            self.told.append((here, there))
        if (here, there) in self.waiting:
            self.waiting.remove((here, there))
        # One that takes the place of what waited, and does not wait, is sent in memory there and then.
        if told[-1].state == "scheduled":
            self.waiting.append((here, there))
        else:
            await self._decide(there)

    async def decide(self) -> None:
        """Let everything be decided, in the database whatever its time."""
        await self.crowd.run("UPDATE notifications SET send_at = now() WHERE send_at > now()")
        for _, there in self.told:
            await self._decide(there)
        await self._close()
        await self.outbox.advance(timedelta(days=30))

    async def _close(self) -> None:
        """Let all digests come, in the database at once, and their mails go; what ends before them is over by then."""
        await self.crowd.run(_OVER_BY_THEN)
        await self.crowd.run("UPDATE digest_windows SET closes_at = now() WHERE closed_at IS NULL")
        await Digests(self.crowd.db, self.crowd.sealer, Sites()).close_due(self.crowd.organization)
        async with self.crowd.db.platform() as session:
            queued = (await session.scalars(_MAILS)).all()
        for one in queued:
            with suppress(PermanentError):  # its address gets nothing
                which = {"organization_id": self.crowd.organization, "is_last_attempt": True}
                await self.bench.sender().send("email", one, **which)

    async def digests(self) -> tuple[list[Any], list[Any]]:
        """What came of digests: in memory, and in the database, by what is said in them."""
        in_memory = [
            (
                one.recipient,
                one.status,
                one.reason,
                one.words,
                one.locale,
                _said(one.status, one.message),
            )
            for one in self.outbox.messages
            if one.type == "digest"
        ]
        stored = []
        async with self.crowd.db.platform() as session:
            for row in (await session.execute(_DIGESTS)).all():
                opened = row.content_sealed and open_sealed(
                    self.crowd.sealer, row.content_sealed, row.wrapped, context=CONTENT
                )
                said = msgspec.json.decode(opened, type=Digest) if opened else None
                stored.append(
                    (
                        row.external_id,
                        row.status,
                        row.code,
                        row.words,
                        row.locale,
                        _said(row.status, said),
                    )
                )
        return _sorted(in_memory), _sorted(stored)

    async def _decide(self, there: UUID) -> None:
        async with self.crowd.db.platform() as session:
            turn = await session.scalar(text("SELECT turn FROM notifications WHERE id = :id"), {"id": there})
        with suppress(RetryLater):  # its time has not come
            await FanOut(self.crowd.db).run(there, organization_id=self.crowd.organization, turn=turn or 1)

    async def came_to(self, here: UUID, there: UUID) -> tuple[list[Any], list[Any]]:
        """What came of a notification: in memory, and in the database."""
        in_memory = [
            (
                one.channel,
                None if one.recipient in self.gone else one.recipient,
                "***" if one.to is None or one.channel == "inbox" else CHANNELS[one.channel].masked(one.to),
                one.reason,
                one.words,
                one.locale,
                _json.encode(one.message).decode() if one.status == "sent" else "",
            )
            for one in self.outbox.messages
            if one.notification_id == here
        ]
        async with self.crowd.db.platform() as session:
            rows = (await session.execute(_CAME_TO, {"id": there})).all()
        stored = [
            (
                row.channel,
                row.external_id,
                row.recipient_masked,
                row.code,
                row.words,
                row.locale,
                self.crowd.sealer.open(row.content_sealed, context=CONTENT).decode() if row.content_sealed else "",
            )
            for row in rows
        ]
        return _sorted(in_memory), _sorted(stored)


def _said(status: str, digest: Any) -> str | None:
    """What a digest says that was sent."""
    if status != "sent":
        return None
    items = sorted(f"{item.title}: {item.body}" for item in digest.items)
    return f"{digest.user_name}, {digest.period}, {digest.more} more, {items}"


def _sorted(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return sorted(rows, key=lambda row: tuple("" if one is None else one for one in row))
