"""The send ledger: an attempt is committed before the provider is called, its outcome after.

Every method is one short transaction of its own, fenced to the message's organization.
"""

from collections.abc import Callable, Collection
from typing import Any, Final, TypeAlias
from uuid import UUID

import msgspec

from singr_comms.catalogue import message_types
from singr_comms.channels._channel import Provider
from singr_comms.notifications._person_keys import is_erased
from singr_comms.notifications.sending import _ledger_sql as sql
from singr_comms.notifications.sending._ordinary import Before, Misfit, OrdinaryWay, nothing_before
from singr_comms.notifications.sending._policy import SETTLE_AFTER, SETTLED, Doubt, Known, Step, next_look, next_step
from singr_comms.notifications.sending._quotas import Quotas
from singr_comms.notifications.sending._suppressions import Suppressions
from singr_comms.notifications.sending._try import (
    ERASED,
    FLAGGED,
    OVER,
    SETTLING,
    AlreadySent,
    Begun,
    InDoubt,
    InFlight,
    LastLook,
    Opening,
    Outcome,
    Pinned,
    Refused,
    Waiting,
)
from singr_db import Database, TenantSession
from singr_jobs import RetryLater

_OPEN: Final = frozenset({"queued", "dispatched", "unknown"})
_GIVEN_UP: Final = frozenset({Step.SEND, Step.SETTLE, Step.LOOK_UP, Step.FLAG})
_BY_ITS_TYPE: Final = _GIVEN_UP - {Step.SEND}
_LOST_ERROR: Final = {"code": "lost", "message": "the process that was sending it ended before an outcome was recorded"}
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
            RetryLater: it is of a notification that is paused, its reader is not to be disturbed now, or it was held
                before and waits for room.
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
        async with self._db.tenant(organization_id) as session:
            row = (await session.execute(sql.LOCK, {"id": message_id})).one_or_none()
            if row is None or row.channel != channel:
                return Refused("message_gone", f"this organization has no {channel} message {message_id}")
            last = row.attempts and await _last_attempt(session, message_id, row)
            doubt = None if not last or last.attempt is None else Doubt(last.provider, last.doubted)
            status = "queued" if await _is_tried_again(session, message_id, row) else row.status
            step = next_step(
                Known(row.kind, status, last.age if last else None, doubt, settles=_is_settling(row)),
                provider=provider,
                in_flight=self._in_flight(row),
                is_last_attempt=is_last_attempt,
            )
            if step in _GIVEN_UP and doubt is not None and doubt.provider in others:
                return Pinned(doubt.provider)
            if step in _BY_ITS_TYPE and (misfit := self._misfit(row)):
                return await self._leave(session, message_id, row, misfit)
            if row.status == "dispatched" and step in _GIVEN_UP:
                values = {"id": message_id, "attempt": row.attempts, "error": _json(_LOST_ERROR)}
                await session.execute(sql.LOST, values)
            if step is not Step.SEND:
                return await self._stop(session, message_id, row, step, last)
            return await self._open(session, message_id, row, provider.name, doubt.age if doubt else None)

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
            "error": _json(outcome.error),
            "message_error": _json(outcome.message_error or outcome.error),
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
            return await _flag(session, message_id, row) if row.status == "unknown" else None

    async def hold(self, message_id: UUID, *, organization_id: UUID, channel: str, reason: str) -> Refused | None:
        """Note that a message waits for a provider that refuses our account, or end it where that took too long.

        Args:
            message_id: the message.
            organization_id: whose it is.
            channel: how it travels.
            reason: why it waits, in words.

        Returns:
            What ended it: it was of no use any more. None while it waits.
        """
        async with self._db.tenant(organization_id) as session:
            row = (await session.execute(sql.WAITING, {"id": message_id, "channel": channel})).one_or_none()
            if row is None or row.status not in _OPEN:
                return None  # the next try finds out what became of it
            if self._remaining(row) > 0:
                await session.execute(sql.HELD, {"id": message_id})
                return None
            return await _expire(session, message_id, row, reason)

    async def account_refused(self, channel: str, provider: str, code: str, message: str) -> None:
        """Tell every process, and `/ready`, that a provider refuses our account."""
        async with self._db.platform() as session:
            values = {"channel": channel, "provider": provider, "code": code, "message": message}
            await session.execute(sql.REFUSED, values)

    async def account_accepted(self, channel: str, provider: str) -> None:
        """Take that back."""
        async with self._db.platform() as session:
            await session.execute(sql.ACCEPTED, {"channel": channel, "provider": provider})

    async def _stop(self, session: TenantSession, message_id: UUID, row: Any, step: Step, last: Any) -> Opening:
        if step is Step.DONE:
            return AlreadySent(row.provider, row.provider_message_id)
        if step is Step.WAIT:
            return InFlight(max(self._in_flight(row) - (last.age or 0.0), 0.0) + 0.1)
        if step is Step.LOOK_UP:
            return await _ask(session, message_id, row, last)
        if step is Step.SETTLE:
            await _settles(session, message_id, row)
            return Waiting(SETTLE_AFTER - last.doubted + 0.1, SETTLING)
        if step is Step.FLAG:
            return await _flag(session, message_id, row)
        error = row.error or {}
        return Refused(str(error.get("code", "suppressed")), str(error.get("message", "it was suppressed")))

    def _remaining(self, row: Any) -> float:
        """Seconds for which a message is still of use.

        A code ages from the moment it was made; anything else is given its time from when it was first held, as long as
        nothing ended it: what an operator sends again gets its time anew.
        """
        life, held = self._life(row), row.held if row.status in _OPEN else None
        return life - float(row.age if message_types.carries_code(row.kind) else held or 0.0)

    async def _open(
        self, session: TenantSession, message_id: UUID, row: Any, provider: str, doubted: float | None
    ) -> Opening:
        if is_erased(row):
            await _end(session, message_id, row.kind, "suppressed", ERASED)
            return ERASED
        if row.is_over and doubted is None:
            await _end(session, message_id, row.kind, "suppressed", OVER)
            return OVER
        if row.is_paused:
            raise RetryLater(_PAUSE, "paused", "its notification is paused", counts=False)
        if misfit := self._misfit(row):
            return await self._leave(session, message_id, row, misfit)
        remaining = self._remaining(row)
        if remaining <= 0:
            return await _expire(session, message_id, row, "its time was over before it could be sent")
        refused = await self._held_back(session, message_id, row)
        if refused is not None:
            await _end(session, message_id, row.kind, "suppressed", refused)
            return refused
        begun = _begun(message_id, row, attempt=row.attempts + 1, remaining=remaining, doubted=doubted)
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
            return await _expire(session, message_id, row, why.message)
        await session.execute(sql.LEFT, {"id": message_id, "error": _json(why)})
        return Waiting(min(next_look(row.held or 0.0), remaining), why)

    async def _held_back(self, session: TenantSession, message_id: UUID, row: Any) -> Refused | None:
        address = self._suppressions.address(row)
        held = await self._suppressions.holds_back(session, row, address)
        if held is None and self._last_look is not None:
            stopped = await self._last_look.stops(session, row, self._suppressions.prints(row, address))
            if stopped is not None:
                return stopped
        if held is None and row.attempts == 0:
            held = await self._quotas.count(session, message_id, row, address)
            if held is not None:
                await self._quotas.wait(session, message_id, held)
        return None if held is None else Refused(*held)


def _begun(message_id: UUID, row: Any, *, attempt: int, remaining: float, doubted: float | None = None) -> Begun:
    return Begun(
        attempt=attempt,
        kind=row.kind,
        token=message_id.hex,
        recipient=bytes(row.recipient_hash),
        recipient_sealed=row.recipient_sealed,
        content_sealed=row.content_sealed,
        recipient_id=row.recipient_id,
        locale=row.locale,
        key_wrapped=row.key_wrapped,
        remaining=remaining,
        doubted=doubted,
    )


async def _last_attempt(session: TenantSession, message_id: UUID, row: Any) -> Any:
    values = {"id": message_id, "attempt": row.attempts}
    return (await session.execute(sql.LAST_ATTEMPT, values)).one_or_none()


async def _is_tried_again(session: TenantSession, message_id: UUID, row: Any) -> bool:
    if row.status != "suppressed" or (row.error or {}).get("code") != "cancelled":
        return False
    return bool(await session.scalar(sql.TRIED_AGAIN, {"id": message_id}))


def _is_settling(row: Any) -> bool:
    return row.status == "unknown" and (row.error or {}).get("code") == SETTLING.code


async def _settles(session: TenantSession, message_id: UUID, row: Any) -> None:
    if row.status != "unknown":
        await _end(session, message_id, row.kind, "unknown", SETTLING)


async def _ask(session: TenantSession, message_id: UUID, row: Any, last: Any) -> InDoubt:
    await _settles(session, message_id, row)
    return InDoubt(
        attempt=last.attempt,
        kind=row.kind,
        token=message_id.hex,
        began_at=last.began_at,
        age=last.doubted,
        recipient=bytes(row.recipient_hash),
        recipient_sealed=row.recipient_sealed,
        content_sealed=row.content_sealed,
        recipient_id=row.recipient_id,
        locale=row.locale,
        key_wrapped=row.key_wrapped,
    )


async def _flag(session: TenantSession, message_id: UUID, row: Any) -> Refused:
    if row.status not in SETTLED and (row.error or {}).get("code") != FLAGGED.code:
        await _end(session, message_id, row.kind, "unknown", FLAGGED)
    return FLAGGED


async def _expire(session: TenantSession, message_id: UUID, row: Any, reason: str) -> Refused:
    refused = Refused("expired", f"it waited until it was no longer of use: {reason}")
    values = {"id": message_id, "error": _json(refused), "erase": message_types.carries_code(row.kind)}
    await session.execute(sql.EXPIRED, values)
    return refused


async def _end(session: TenantSession, message_id: UUID, kind: str, status: str, refused: Refused) -> None:
    # What is suppressed is never tried again, so it keeps no words, as what a decision suppresses never has any.
    erase = status == "suppressed" or message_types.carries_code(kind)
    values = {"id": message_id, "status": status, "error": _json(refused), "erase": erase}
    await session.execute(sql.STATUS, values)


def _json(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
