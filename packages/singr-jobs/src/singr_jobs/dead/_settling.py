"""Giving jobs that failed for good back to their queues, and putting them away."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from singr_db import PlatformSession
from singr_db.operation_log import actor_of, checked_reason, log_operation
from singr_jobs._plain import shown
from singr_jobs.dead import _sql
from singr_jobs.dead._errors import DeadLetterNotFoundError, DeadLetterSettledError, UniqueKeyHeldError
from singr_jobs.dead._finding import read_dead_letter
from singr_jobs.dead._memory import KeepsLetters
from singr_jobs.dead._views import DeadLetterView
from singr_jobs.declare._errors import JobsError
from singr_jobs.intake._wake import wake_after_commit

if TYPE_CHECKING:
    from sqlalchemy import Row


async def requeue(
    session: PlatformSession | KeepsLetters,
    letter_id: UUID,
    *,
    organization_id: UUID | None = None,
    reason: str | None = None,
) -> DeadLetterView:
    """Let a job that failed for good be tried anew, in the caller's transaction.

    It keeps its id, and with it the token by which a provider knows a copy; its attempts begin anew, and those it had
    stay in its history. It works as well where the job's row has gone with its week. A job that fails again leaves
    another letter.

    Args:
        session: of `Database.platform`, with its transaction open; in tests, an `InMemoryJobs`.
        letter_id: the dead letter.
        organization_id: whose it must be; anybody's unless told.
        reason: why, for the operation log.

    Raises:
        DeadLetterNotFoundError: there is no such letter, or it is another organization's.
        DeadLetterSettledError: it is settled already.
        UniqueKeyHeldError: another job holds the unique key that it needs; the error names that job.
        ReasonError: the reason is no line of at most 1,000 characters.
    """
    reason = checked_reason(reason)
    if isinstance(session, KeepsLetters):
        return session.letters.requeue(letter_id, organization_id=organization_id)
    await _lock(session, letter_id, organization_id)
    values = {"ids": [letter_id], "by": actor_of(session), "bulk": None}
    outcome = await _requeued(session, values)
    while not outcome.is_free and outcome.holder is None:  # who held the key let it go meanwhile
        outcome = await _requeued(session, values)
    if outcome.holder is not None:
        raise UniqueKeyHeldError(outcome.holder)
    if outcome.queue is None:
        raise JobsError(f"the job {outcome.job_id} is there and has not failed: it was changed by hand")
    wake_after_commit(session.sync_session, outcome.queue)
    return await _settled(session, letter_id, "dead_letter.requeue", reason)


async def discard(
    session: PlatformSession | KeepsLetters,
    letter_id: UUID,
    *,
    organization_id: UUID | None = None,
    reason: str | None = None,
) -> DeadLetterView:
    """Put a letter away: its job stays failed, and nobody is told of it any more. Takes and raises as `requeue`."""
    reason = checked_reason(reason)
    if isinstance(session, KeepsLetters):
        return session.letters.discard(letter_id, organization_id=organization_id)
    await _lock(session, letter_id, organization_id)
    await session.execute(_sql.DISCARD_TEXT, {"ids": [letter_id], "by": actor_of(session), "bulk": None})
    return await _settled(session, letter_id, "dead_letter.discard", reason)


async def _lock(session: PlatformSession, letter_id: UUID, organization_id: UUID | None) -> None:
    if not isinstance(session, PlatformSession):
        raise TypeError(f"this needs a session of Database.platform(), or an InMemoryJobs, not {shown(session)}")
    await session.execute(_sql.LOCK_JOBS, {"ids": [letter_id], "organization_id": organization_id})
    state = await session.scalar(_sql.LOCK, {"id": letter_id, "organization_id": organization_id})
    if state is None:
        raise DeadLetterNotFoundError(f"there is no dead letter {letter_id}")
    if state != "open":
        raise DeadLetterSettledError(state)


async def _requeued(session: PlatformSession, values: dict[str, Any]) -> "Row[Any]":
    return (await session.execute(_sql.REQUEUE_TEXT, values)).one()


async def _settled(session: PlatformSession, letter_id: UUID, act: str, reason: str | None) -> DeadLetterView:
    detail = await read_dead_letter(session, letter_id)
    await log_operation(
        session,
        act,
        letter_id,
        organization_id=detail.organization_id,
        before={"state": "open"},
        after={"state": detail.state, "job_id": detail.job_id},
        reason=reason,
    )
    return DeadLetterView(**{name: getattr(detail, name) for name in DeadLetterView.__struct_fields__})
