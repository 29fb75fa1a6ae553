"""Deciding who gets a notification: a bite of recipients a transaction, until all had their turn."""

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import msgspec

from singr_comms.catalogue import INBOX, MessageType, message_types
from singr_comms.catalogue._treatment import DAY
from singr_comms.notifications.channels import WORK
from singr_comms.notifications.sending._policy import next_look
from singr_comms.notifications.sending._try import OVER
from singr_comms.notifying import _sql as sql
from singr_comms.notifying._asked import BITE, bite_of, pause_after, quiet_of
from singr_comms.notifying._author import IS_DISOWNED
from singr_comms.notifying._fan_out_sql import DECIDE
from singr_comms.notifying._queueing import give_to_job
from singr_comms.notifying._steering import cancel_notification
from singr_comms.notifying._words import NOWHERE, WORDS
from singr_comms.people import may_wait
from singr_comms.people.inbox import note_news
from singr_comms.people.preferences._rule import rule_values
from singr_db import Database, PlatformSession, new_id, past_deadlock
from singr_jobs import RetryLater, job_values, wake
from singr_observability import Metrics

# Seconds after which others have their turn.
_AT_ONCE: Final = 2.0
_FIRST: Final = UUID(int=0)
_OPEN: Final = ("scheduled", "deciding")
_WORDS: Final = msgspec.json.encode(WORDS).decode()
_UNKNOWN_TYPE: Final = "this process knows no type {type}: import what declares it, or install it"
_TIME_DIGITS: Final = 12


class Bitten(msgspec.Struct, frozen=True):
    """What came of a bite.

    Attributes:
        decided: how many recipients.
        goes_on: whether there is more to do by this job.
        type: of the messages.
        counts: how many of these by channel and reason.
        late: seconds since it was due, once all had their turn and nothing but work held it up.
    """

    decided: int = 0
    goes_on: bool = False
    type: str = ""
    counts: Mapping[tuple[str, str], int] = MappingProxyType({})
    late: float | None = None


_DISOWNED: Final = Bitten()
"""Nothing is decided, as whoever asked for it is trusted no more."""


class FanOut:
    """Decides who gets notifications, as the job `notification.fan_out` asks.

    What is decided and how far it is are one transaction, under the notification's lock: whatever dies, each recipient
    has one turn, and who comes next goes on from there. Two of them take turns; the older does nothing.

    Args:
        db: the database; its platform sessions are used, each statement names its organization.
        bite: recipients a transaction.
        metrics: where it counts what it decided; nowhere unless given.
    """

    def __init__(self, db: Database, *, bite: int = BITE, metrics: Metrics | None = None) -> None:
        self._db = db
        self._bite = bite
        self._metrics = metrics

    async def run(self, notification_id: UUID, *, organization_id: UUID, turn: int) -> int:
        """Decide until all are, or others shall have their turn; returns how many recipients were decided.

        Raises:
            RetryLater: it is not due yet, or this process does not know its type.
        """
        began, decided = time.monotonic(), 0
        which = {"id": notification_id, "organization_id": organization_id}
        while True:
            bitten = await past_deadlock(lambda: self._turn(which, turn))
            decided += bitten.decided
            self._count(bitten)
            if bitten is _DISOWNED:
                async with self._db.tenant(organization_id) as session:
                    await cancel_notification(session, notification_id)
            if not bitten.goes_on:
                return decided
            if time.monotonic() - began > _AT_ONCE:
                async with self._db.platform() as session:
                    row = (await session.execute(sql.LOCK, which)).one_or_none()
                    if row is not None and row.turn == turn:
                        await _continue(session, which, row.priority)
                return decided

    async def _turn(self, which: dict[str, Any], turn: int) -> Bitten:
        async with self._db.platform() as session:
            row = (await session.execute(sql.LOCK, which)).one_or_none()
            if row is None or row.turn != turn or row.state not in _OPEN or row.paused_at is not None:
                return Bitten()
            if row.created_by is not None and await session.scalar(IS_DISOWNED, which):
                return _DISOWNED
            if row.early is not None and row.early > 0:
                raise RetryLater(row.early, "not_due", "its time has not come", counts=False)
            declared = message_types.named(row.type)
            waits = None if declared is not None or row.is_over else await _left(session, which, row)
            if waits is None:
                return await self._decide(session, which, row, declared)
        raise RetryLater(waits, "unknown_type", _UNKNOWN_TYPE.format(type=row.type), counts=False)

    async def _decide(
        self, session: PlatformSession, which: dict[str, Any], row: Any, declared: MessageType | None
    ) -> Bitten:
        """Decide a bite; of a type that is not known here, nobody gets anything any more."""
        is_crowd = row.audience["kind"] != "named"
        limit = bite_of(row.per_minute, most=self._bite)
        ids = await _next(session, which, row, limit) if is_crowd else None
        decided = (await session.scalar(sql.NAMED, which) or 0) if ids is None else len(ids)
        counts: dict[tuple[str, str], int] = {}
        for channel in _in_order(row.channels) if decided else ():
            values = _values(which, row, declared, channel) | {"ids": ids and list(ids)}
            told = (await session.execute(DECIDE["named" if ids is None else "crowd", channel], values)).one()
            counts |= {(channel, reason): messages for reason, messages in told.reasons.items()}
            if channel == INBOX:
                note_news(session, told.news)
            elif "queued" in told.reasons:
                wake(session, WORK[channel].job(which["id"]))
        is_over = ids is None or len(ids) < limit
        state = "sending" if is_over else "deciding"
        values = {**which, "state": state, "cursor": ids[-1] if ids else row.cursor, "decided": decided}
        await session.execute(sql.DECIDED, values)
        bitten = Bitten(decided, type=row.type, counts=counts)
        if is_over:
            return msgspec.structs.replace(bitten, late=row.late if row.per_minute is None else None)
        if row.per_minute is not None:
            await _continue(session, which, row.priority, after=pause_after(limit, row.per_minute))
            return bitten
        return msgspec.structs.replace(bitten, goes_on=True)

    def _count(self, bitten: Bitten) -> None:
        """Count what was committed."""
        if self._metrics is None or not bitten.type:
            return
        self._metrics.notification_recipients.labels(bitten.type).inc(bitten.decided)
        for (channel, reason), messages in bitten.counts.items():
            self._metrics.notification_messages.labels(bitten.type, channel, reason).inc(messages)
        if bitten.late is not None:
            self._metrics.notification_lag.labels(bitten.type).observe(max(0.0, bitten.late))


async def _next(session: PlatformSession, which: dict[str, Any], row: Any, limit: int) -> Sequence[UUID]:
    """The recipients behind the cursor, in the order of their ids.

    Whoever is made meanwhile has a later one. Whoever is there and joins the topic, or gets the tags, may have an
    earlier one, and then has no turn.
    """
    values = {"organization_id": which["organization_id"], "after": row.cursor or _FIRST, "limit": limit}
    match row.audience["kind"]:
        case "topic":
            found = await session.scalars(sql.MEMBERS, values | {"topic_id": row.audience["topic_id"]})
        case "tags":
            found = await session.scalars(sql.TAGGED, values | {"tags": row.audience["tags"]})
        case _:
            found = await session.scalars(sql.EVERYBODY, values)
    return found.all()


async def _left(session: PlatformSession, which: dict[str, Any], row: Any) -> float | None:
    """Leave a notification to a process that knows its type; the seconds until the next look, None once it ends."""
    waited = await session.scalar(sql.LEFT_FOR, which)
    if waited is None:
        await session.execute(sql.LEFT, which)
    elif waited >= DAY:
        await session.execute(sql.ENDED, which)
        return None
    wait = next_look(waited or 0.0)
    return wait if row.remaining is None else min(wait, row.remaining)


def _values(which: dict[str, Any], row: Any, declared: MessageType | None, channel: str) -> dict[str, Any]:
    lives = row.moment + timedelta(seconds=DAY if declared is None else declared.time_to_live)
    return {
        **which,
        # What jobs of the channel are, of whichever message; an inbox has none.
        **(job_values(WORK[channel].job(which["id"])) if channel in WORK else {}),
        "nowhere": NOWHERE.get(channel),
        "channel": channel,
        **rule_values(row.type, declared),
        "is_over": declared is None or bool(row.is_over),
        "without": row.audience.get("without", []),
        "priority": row.priority,
        "correlation_id": row.correlation_id,
        "created_by": row.created_by,
        "expires_at": min(row.expires_at or lives, lives),
        "ends_at": row.expires_at,
        "period": None if channel == INBOX else row.digest,
        "time": new_id().hex[:_TIME_DIGITS],
        **(_unknown(row.type) if declared is None else _known(declared, channel, row.priority)),
    }


def _known(declared: MessageType, channel: str, priority: int) -> dict[str, Any]:
    return {
        "words": _WORDS,
        "must_arrive": declared.concerns_security or declared.carries_code,
        "for_organization": declared.speaks_for == "organization",
        "quiet": quiet_of(declared, channel, priority),
        "may_wait": may_wait(declared, channel, priority),
    }


def _unknown(name: str) -> dict[str, Any]:
    """Its time is over, which is asked before anything that its type would tell."""
    said = f"its time was over, and {_UNKNOWN_TYPE.format(type=name)}"
    words = msgspec.json.encode(WORDS | {OVER.code: said}).decode()
    return {"words": words, "must_arrive": False, "for_organization": False, "quiet": "pass", "may_wait": False}


def _in_order(channels: Sequence[str]) -> list[str]:
    """A digest tells what the first channel would have: a push has a title and a text, a mail is a letter."""
    return sorted(channels, key=lambda one: one != "push")


async def _continue(session: PlatformSession, which: dict[str, Any], priority: int, *, after: float = 0.0) -> None:
    """Queue a job that goes on, in the place of the one at work."""
    goes_on = (await session.execute(sql.NEXT_TURN, which)).one()
    run_at = goes_on.moment + timedelta(seconds=after) if after else None
    await give_to_job(session, which, goes_on.turn, priority=priority, run_at=run_at)
