"""The send ledger: an attempt is committed before the provider is called, its outcome after.

Every method is one short transaction of its own, fenced to the message's organization.
"""

import math
from collections.abc import Callable, Collection
from typing import Any, Final, TypeAlias
from uuid import UUID

from singr_comms.catalogue import message_types
from singr_comms.channels._channel import Provider
from singr_comms.notifications._person_keys import is_erased
from singr_comms.notifications.sending import _ledger_sql as sql
from singr_comms.notifications.sending._ordinary import Before, Misfit, OrdinaryWay, nothing_before
from singr_comms.notifications.sending._policy import SETTLE_AFTER, Doubt, Known, Step, next_look, next_step
from singr_comms.notifications.sending._quotas import Quotas
from singr_comms.notifications.sending._suppressions import Suppressions
from singr_comms.notifications.sending._try import (
    ERASED,
    QUIETLY_OVER,
    SETTLING,
    AlreadySent,
    Begun,
    BidesItsTime,
    InDoubt,
    InFlight,
    LastLook,
    Opening,
    Outcome,
    Pinned,
    Refused,
    Waiting,
)
from singr_comms.notifications.sending.endings import _anew as anew
from singr_comms.notifications.sending.endings._ends import as_json, end, expire, flag, over, settle
from singr_db import Database, TenantSession
from singr_jobs import RetryLater

_OPEN: Final = frozenset({"queued", "dispatched", "unknown"})
_HELD: Final = _OPEN | {"failed"}
_GIVEN_UP: Final = frozenset({Step.SEND, Step.SETTLE, Step.LOOK_UP, Step.FLAG})
_BY_ITS_TYPE: Final = _GIVEN_UP - {Step.SEND}
_LOST_ERROR: Final = {"code": "lost", "message": "the process that was sending it ended before an outcome was recorded"}
_STORED: Final = ("kind", "recipient_sealed", "content_sealed", "recipient_id", "locale", "key_wrapped")
# Seconds between looks at a message whose notification is paused.
_PAUSE: Final = 60.0

Life: TypeAlias = Callable[[Any], float]
"""Seconds for which a message is of use, by its row."""


class Ledger:
    """Opens and closes attempts.

    Args:
        db: the database.
        quotas: counts messages, each once, in the transaction of its first attempt.
        suppressions: know addresses that get nothing; asked when each attempt begins.
        in_flight: gives the seconds for which a message's last provider call may still be on its way after its attempt
            began, by the message's row.
        life: gives the seconds for which a message is of use.
        misfit: says, of a message's row, why it is left to another process.
        last_look: asked when each attempt begins whether a message may still go to its recipient.
    """

    def __init__(
        self,
        db: Database,
        quotas: Quotas,
        suppressions: Suppressions,
        *,
        in_flight: Callable[[Any], float],
        life: Life,
        misfit: Misfit,
        last_look: LastLook | None = None,
    ) -> None:
        self._db = db
        self._life, self._misfit = life, misfit
        self._quotas = quotas
        self._suppressions = suppressions
        self._in_flight = in_flight
        self._last_look = last_look
        self._ordinary = OrdinaryWay(db, quotas, suppressions, misfit, last_look)

    async def begin(
        self,
        message_id: UUID,
        *,
        organization_id: UUID,
        channel: str,
        provider: Provider,
        others: Collection[str] = (),
        is_last_attempt: bool,
        before: Before = nothing_before,
    ) -> Opening:
        """Commit a new attempt, or say why there is none: what has outlived its use ends as `expired`, unsent.

        Args:
            message_id: the message.
            organization_id: whose it is.
            channel: by which it travels.
            provider: who would be called.
            others: names of those who could be, where one of them may have the message.
            is_last_attempt: no further try will come.
            before: awaited before an attempt is committed.

        Raises:
            BidesItsTime: it is of a notification that is paused, its reader is not to be disturbed now, or it was held
                before and waits for room.
            RetryLater: it was put off, or is tried anew, and was tried a moment ago; or it waits for room.
        """
        opened = await self._ordinary.begin(
            message_id,
            organization_id=organization_id,
            channel=channel,
            provider=provider.name,
            token=message_id.hex,
            remaining=self._remaining,
            before=before,
        )
        if opened is not None:
            return _begun(message_id, opened.row, attempt=1, remaining=opened.remaining)
        await before(None)  # its kind is known once the row is locked, and then nobody is waited for
        try:
            async with self._db.tenant(organization_id) as session:
                row = (await session.execute(sql.LOCK, {"id": message_id})).one_or_none()
                if row is None or row.channel != channel:
                    return Refused("message_gone", f"this organization has no {channel} message {message_id}")
                return await self._begin(session, message_id, row, provider, others, is_last_attempt=is_last_attempt)
        except BidesItsTime:
            async with self._db.tenant(organization_id) as session:
                await session.execute(sql.NOT_HELD, {"id": message_id})
            raise
        except RetryLater as later:
            async with self._db.tenant(organization_id) as session:
                await anew.waits(session, message_id, later)
            raise

    async def finish(
        self,
        message_id: UUID,
        *,
        organization_id: UUID,
        attempt: int,
        kind: str,
        outcome: Outcome,
        settles: bool = False,
    ) -> bool:
        """Record how an attempt ended. Words that hold a code are erased as soon as no try will follow.

        Args:
            message_id: the message.
            organization_id: whose it is.
            attempt: its number.
            kind: the message's kind.
            outcome: what came of it.
            settles: it was in doubt, and attempts after it may have failed.

        Returns:
            Whether the attempt was still open; where it was not, somebody has said meanwhile what came of it.
        """
        sent = outcome.attempt_status == "sent"
        erase = (sent or outcome.ends) and message_types.carries_code(kind)
        if (
            sent
            and not settles
            and await self._ordinary.sent(
                message_id,
                organization_id=organization_id,
                attempt=attempt,
                erase=erase,
                provider=outcome.provider,
                provider_message_id=outcome.provider_message_id,
            )
        ):
            return True
        values = {
            "id": message_id,
            "attempt": attempt,
            "status": outcome.attempt_status,
            "message_status": outcome.message_status,
            "provider": outcome.provider,
            "provider_message_id": outcome.provider_message_id,
            "error": as_json(outcome.error),
            "message_error": as_json(outcome.message_error or outcome.error),
            "sent": sent,
            "settles": settles,
            "erase": erase,
        }
        async with self._db.tenant(organization_id) as session:
            await session.execute(sql.LOCK, {"id": message_id})  # the same order of locks as in begin()
            finished: Any = await session.execute(sql.FINISH_ATTEMPT, values)
            if not (finished.rowcount or sent):
                return False
            await session.execute(sql.FINISH, values)
            if outcome.error is not None:
                await self._suppressions.refused(session, message_id, outcome.error["code"])
            return True

    async def flag(self, message_id: UUID, *, organization_id: UUID) -> Refused | None:
        """Leave it to people to find out whether a message was sent; None where somebody has by now."""
        async with self._db.tenant(organization_id) as session:
            row = (await session.execute(sql.LOCK, {"id": message_id})).one()
            return await flag(session, message_id, row) if row.status == "unknown" else None

    async def hold(self, message_id: UUID, *, organization_id: UUID, channel: str, reason: str) -> Refused | float:
        """Note that something other than its reader holds a message up, or end it where that took too long.

        Args:
            message_id: the message.
            organization_id: whose it is.
            channel: how it travels.
            reason: why it waits, in words.

        Returns:
            What ended it: it was of no use, or wanted, any more. While it waits, the seconds until it would be so.
        """
        async with self._db.tenant(organization_id) as session:
            row = (await session.execute(sql.WAITING, {"id": message_id, "channel": channel})).one_or_none()
            if row is None or row.status not in _HELD:
                return math.inf  # the next try finds out what became of it
            if row.is_over and not row.in_doubt:
                return await over(session, message_id, row, reason)
            remaining = self._remaining(row)
            if remaining <= 0:
                return await expire(session, message_id, row, reason)
            await anew.held(session, message_id, row)
            return remaining if row.in_doubt else min(remaining, row.until_over)

    async def _begin(
        self,
        session: TenantSession,
        message_id: UUID,
        row: Any,
        provider: Provider,
        others: Collection[str],
        *,
        is_last_attempt: bool,
    ) -> Opening:
        last = row.attempts and await _last_attempt(session, message_id, row, provider.name)
        doubt = None if not last or last.attempt is None else Doubt(last.provider, last.doubted)
        status = "queued" if await anew.is_tried_again(session, message_id, row) else row.status
        step = next_step(
            Known(row.kind, status, last.age if last else None, doubt, waits_to_ask=_waits_to_ask(row)),
            provider=provider,
            in_flight=self._in_flight(row),
            is_last_attempt=is_last_attempt,
        )
        if step in _GIVEN_UP and doubt is not None and doubt.provider in others:
            return Pinned(doubt.provider)
        if step in _BY_ITS_TYPE and (misfit := self._misfit(row)):
            return await self._leave(session, message_id, row, misfit)
        if row.status == "dispatched" and step in _GIVEN_UP:
            values = {"id": message_id, "attempt": row.attempts, "error": as_json(_LOST_ERROR)}
            await session.execute(sql.LOST, values)
        if step is not Step.SEND:
            return await self._stop(session, message_id, row, step, last)
        return await self._open(session, message_id, row, provider.name, last or None)

    async def _stop(self, session: TenantSession, message_id: UUID, row: Any, step: Step, last: Any) -> Opening:
        if step is Step.DONE:
            return AlreadySent(row.provider, row.provider_message_id)
        if step is Step.WAIT:
            return InFlight(max(self._in_flight(row) - (last.age or 0.0), 0.0) + 0.1)
        if step is Step.LOOK_UP:
            return await _ask(session, message_id, row, last)
        if step is Step.SETTLE:
            await settle(session, message_id, row)
            return Waiting(SETTLE_AFTER - last.doubted + 0.1, SETTLING)
        if step is Step.FLAG:
            return await flag(session, message_id, row)
        error = row.error or {}
        return Refused(str(error.get("code", "suppressed")), str(error.get("message", "it was suppressed")))

    def _remaining(self, row: Any) -> float:
        """Seconds for which a message is still of use.

        A code ages from the moment it was made; anything else is given its time from when it was first held up, as long
        as nothing ended it: what an operator sends again gets its time anew.
        """
        life, held = self._life(row), row.held if row.status in _OPEN else None
        return life - float(row.age if message_types.carries_code(row.kind) else held or 0.0)

    async def _open(self, session: TenantSession, message_id: UUID, row: Any, provider: str, last: Any) -> Opening:
        doubted = None if last is None or last.attempt is None else last.doubted
        waited_for = None if row.status != "queued" or not row.error else str(row.error.get("message"))
        if is_erased(row):
            await end(session, message_id, row.kind, "suppressed", ERASED)
            return ERASED
        if row.is_over and doubted is None:
            return await over(session, message_id, row, waited_for)
        if row.is_paused:
            raise BidesItsTime(_PAUSE, "paused", "its notification is paused")
        if misfit := self._misfit(row):
            return await self._leave(session, message_id, row, misfit)
        remaining = self._remaining(row)
        if remaining <= 0:
            return await expire(session, message_id, row, waited_for or "its time was over before it could be sent")
        anew.draw_breath(row, last, remaining)
        refused = await self._held_back(session, message_id, row, last, remaining)
        if refused is not None:
            await end(session, message_id, row.kind, "suppressed", refused)
            return refused
        put_off = 0 if last is None else last.put_off
        begun = _begun(message_id, row, attempt=row.attempts + 1, remaining=remaining, put_off=put_off, doubted=doubted)
        values = {
            "id": message_id,
            "attempt": begun.attempt,
            "organization_id": session.organization_id,
            "provider": provider,
            "token": begun.token,
        }
        await session.execute(sql.BEGIN, values)
        await session.execute(sql.DISPATCHED, values)
        return begun

    async def _leave(self, session: TenantSession, message_id: UUID, row: Any, misfit: tuple[str, str]) -> Opening:
        """Leave a message to a process that knows its type as it was stored, for as long as it is of use."""
        why = Refused(*misfit)
        remaining = self._remaining(row)
        if remaining <= 0:
            return await expire(session, message_id, row, why.message)
        if row.status not in _OPEN:
            await session.execute(sql.HAD_ENDED, {"id": message_id})
        await session.execute(sql.LEFT, {"id": message_id, "error": as_json(why)})
        return Waiting(min(next_look(row.held or 0.0), remaining), why)

    async def _held_back(
        self, session: TenantSession, message_id: UUID, row: Any, last: Any, remaining: float
    ) -> Refused | None:
        address = self._suppressions.address(row)
        held = await self._suppressions.holds_back(session, row, address)
        if held is None and self._last_look is not None:
            stopped = await self._looked_at(self._last_look, session, row, address, last)
            if stopped is not None:
                return stopped
        again = _counts_again(row, last)
        if held is None and (again or row.attempts == 0):
            day = last is None or last.day_is_over
            held = await self._quotas.count(session, message_id, row, address, day=day)
            if held is not None and again:
                await self._quotas.wait_again(session, held, min(remaining, row.until_over))
            elif held is not None:
                await self._quotas.wait(session, message_id, held)
        return None if held is None else Refused(*held)

    async def _looked_at(
        self, look: LastLook, session: TenantSession, row: Any, address: str | None, last: Any
    ) -> Refused | None:
        try:
            return await look.stops(session, row, self._suppressions.prints(row, address))
        except BidesItsTime as asleep:
            in_doubt = last is not None and last.attempt is not None
            if in_doubt or asleep.after < row.until_over:
                raise
            return QUIETLY_OVER


def _counts_again(row: Any, last: Any) -> bool:
    if anew.is_anew(row, last):
        return True
    # It was certainly not sent in the hour that it counted in: it is sent in this one, or later.
    certain = last is None or (last.hour_is_over and last.attempt is None)
    return bool(row.attempts) and row.status == "queued" and certain


def _begun(
    message_id: UUID, row: Any, *, attempt: int, remaining: float, put_off: int = 0, doubted: float | None = None
) -> Begun:
    return Begun(
        **_as_stored(message_id, row),
        attempt=attempt,
        remaining=remaining,
        until_over=row.until_over,
        put_off=put_off,
        doubted=doubted,
    )


def _as_stored(message_id: UUID, row: Any) -> dict[str, Any]:
    stored = {name: getattr(row, name) for name in _STORED}
    return stored | {"token": message_id.hex, "recipient": bytes(row.recipient_hash)}


async def _last_attempt(session: TenantSession, message_id: UUID, row: Any, provider: str) -> Any:
    values = {"id": message_id, "attempt": row.attempts, "provider": provider}
    return (await session.execute(sql.LAST_ATTEMPT, values)).one_or_none()


def _waits_to_ask(row: Any) -> bool:
    return row.status == "unknown" and (row.error or {}).get("code") == SETTLING.code


async def _ask(session: TenantSession, message_id: UUID, row: Any, last: Any) -> InDoubt:
    await settle(session, message_id, row)
    return InDoubt(**_as_stored(message_id, row), attempt=last.attempt, began_at=last.began_at, age=last.doubted)
