"""The chore that does bulk actions, a bite at a time, in whichever process comes first."""

from collections.abc import Sequence
from math import ceil
from typing import Any, ClassVar, Final
from uuid import UUID

import msgspec

from singr_db import PlatformSession, past_deadlock, sql, sql_text
from singr_db.chores import DatabaseChore
from singr_db.ending import CANCEL_MANY, REPRIORITIZE
from singr_db.tables import BulkKind
from singr_jobs.bulk._views import BulkFilter, BulkProblem, key_held
from singr_jobs.bulk._walk import Looked, count, look
from singr_jobs.dead._sql import DISCARD_TEXT, LOCK_JOBS, REQUEUE_TEXT
from singr_jobs.intake._marks import KEPT_HOURS
from singr_jobs.intake._wake import cancel_after_commit, wake_after_commit

BITE: Final = 500
"""So many have their turn in a transaction at most."""
LOOKED: Final = 2_000
"""So many rows are looked through for it."""
_COUNTED: Final = 10_000
_PROBLEMS: Final = 20
# Bites in a turn of the chore; and seconds after which an action whose bite failed has another.
_BITES: Final = 1_000
_AFTER_A_FAULT: Final = 10

_IS_DUE: Final = "state IN ('counting', 'running') AND next_at <= now()"
_LOOK: Final = sql(f"SELECT EXISTS (SELECT FROM bulk_actions WHERE {_IS_DUE})")  # noqa: S608 - a constant
_TAKE: Final = sql_text(f"""
SELECT id, organization_id, action, filter, types, priority, rate_per_minute, state, at_id, asked_by, asked_at, problems
  FROM bulk_actions WHERE {_IS_DUE} ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED
""")  # noqa: S608 - a constant
_COUNTED_ON: Final = sql_text("""
UPDATE bulk_actions SET matching = matching + :fitting, state = :state, at_id = :at_id WHERE id = :id
""")
_GO_ON: Final = sql_text("""
UPDATE bulk_actions SET done = done + :done, skipped = skipped + :skipped, problems = CAST(:problems AS jsonb),
       at_id = :at_id, state = :state, finished_at = CASE WHEN :state = 'done' THEN now() END,
       next_at = now() + :pause * interval '1 second'
 WHERE id = :id
""")
_PUT_OFF: Final = sql_text("UPDATE bulk_actions SET next_at = now() + :pause * interval '1 second' WHERE id = :id")
# Whose rows are locked by somebody has its turn later: to wait here would be to wait in two orders.
_LOCK_JOBS: Final = sql_text(
    "SELECT id FROM jobs WHERE id = ANY (CAST(:ids AS uuid[])) AND status = 'pending' FOR UPDATE SKIP LOCKED"
)
_LEFT: Final = sql_text("SELECT id FROM jobs WHERE id = ANY (CAST(:ids AS uuid[])) AND status = 'pending'")
_CANCEL: Final = sql_text(CANCEL_MANY)
_REPRIORITIZE: Final = sql_text(REPRIORITIZE)
_FORGET: Final = sql_text("DELETE FROM first_priorities WHERE changed_at < now() - :hours * interval '1 hour'")


class Bitten(msgspec.Struct):
    """What came of a bite; `to` is the last that had its turn, where some behind it had none."""

    done: int = 0
    problems: list[BulkProblem] = []
    to: UUID | None = None
    waits: bool = False


class ActInBulk(DatabaseChore):
    """Does bulk actions. Whoever holds an action's row takes its next bite.

    What is done and how far it is are one transaction: whatever dies, each job has its turn once, and the next process
    goes on from there. A bite is no larger than what the action's rate allows for a second.
    """

    name: ClassVar = "bulk actions"
    seen_as: ClassVar = "bulk_actions.act"
    every = 1.0

    async def work(self) -> int:
        """Take all bites that are due; answers how many. As a rule none is: one statement finds that, each second."""
        async with self.db.psycopg.connection() as connection:
            [(is_due,)] = await (await connection.execute(_LOOK)).fetchall()
        if not is_due:
            return 0
        for bites in range(_BITES):
            taken: list[UUID] = []
            try:
                if not await past_deadlock(lambda: self._turn(taken)):  # noqa: B023 - it is over by the next
                    return bites
            except Exception:
                for action_id in taken:  # others have their turn meanwhile
                    async with self.db.platform() as session:
                        await session.execute(_PUT_OFF, {"id": action_id, "pause": _AFTER_A_FAULT})
                raise
        return _BITES

    async def _turn(self, taken: list[UUID]) -> bool:
        """Take a bite in a transaction of its own; false where none is due. `taken` then holds its action."""
        taken.clear()
        async with self.db.platform() as session:
            return await self._bite(session, taken)

    async def _bite(self, session: PlatformSession, taken: list[UUID]) -> bool:
        action = (await session.execute(_TAKE)).one_or_none()
        if action is None:
            return False
        taken.append(action.id)
        which = msgspec.convert(action.filter, BulkFilter)
        if action.state == "counting":
            fitting, looked = await count(session, action, which, after=action.at_id, rows=_COUNTED)
            state, at_id = ("counting", looked.last) if looked.ended_early else ("running", None)
            await session.execute(_COUNTED_ON, {"id": action.id, "fitting": fitting, "state": state, "at_id": at_id})
            return True
        looked = await look(session, action, which, after=action.at_id, rows=LOOKED)
        room = BITE if action.rate_per_minute is None else min(BITE, ceil(action.rate_per_minute / 60))
        bitten = await _do(session, action, [row.id for row in looked.fitting[:room]])
        await session.execute(_GO_ON, _going_on(action, looked, room, bitten))
        if action.action == BulkKind.REPRIORITIZE:
            await session.execute(_FORGET, {"hours": KEPT_HOURS})
        return True


def _going_on(action: Any, looked: Looked, room: int, bitten: Bitten) -> dict[str, Any]:
    at_id, is_over = looked.last or action.at_id, not looked.ended_early
    if len(looked.fitting) > room:
        at_id, is_over = looked.fitting[room - 1].id, False
    if bitten.waits:
        at_id, is_over = bitten.to or action.at_id, False
    known = msgspec.convert(action.problems, list[BulkProblem])
    acted = bitten.done + len(bitten.problems)
    pause = 60 * acted / action.rate_per_minute if action.rate_per_minute is not None else 0.0
    return {
        "id": action.id,
        "done": bitten.done,
        "skipped": len(bitten.problems),
        "problems": msgspec.json.encode([*known, *bitten.problems][:_PROBLEMS]).decode(),
        "at_id": at_id,
        "state": "done" if is_over else "running",
        "pause": max(pause, 1.0) if bitten.waits else pause,
    }


async def _do(session: PlatformSession, action: Any, ids: Sequence[UUID]) -> Bitten:
    if not ids:
        return Bitten()
    match action.action:
        case BulkKind.REQUEUE:
            return await _requeue(session, action, ids)
        case BulkKind.DISCARD:
            values = {"ids": ids, "by": action.asked_by, "bulk": action.id}
            return Bitten(done=len((await session.execute(DISCARD_TEXT, values)).all()))
        case _:
            return await _to_jobs(session, action, ids)


async def _requeue(session: PlatformSession, action: Any, ids: Sequence[UUID]) -> Bitten:
    await session.execute(LOCK_JOBS, {"ids": ids, "organization_id": action.organization_id})
    rows = (await session.execute(REQUEUE_TEXT, {"ids": ids, "by": action.asked_by, "bulk": action.id})).all()
    bitten = Bitten(done=sum(row.queue is not None for row in rows))
    for row in rows:
        if row.queue is None:
            words = "its job is there and has not failed: it was changed by hand"
            changed = BulkProblem(id=row.id, job_id=row.job_id, code="job-changed", message=words)
            bitten.problems.append(changed if row.is_free else key_held(row.id, row.job_id, row.holder))
    for queue in {row.queue for row in rows if row.queue is not None}:
        wake_after_commit(session.sync_session, queue)
    return bitten


async def _to_jobs(session: PlatformSession, action: Any, ids: Sequence[UUID]) -> Bitten:
    locked = list(await session.scalars(_LOCK_JOBS, {"ids": ids}))
    left = [job_id for job_id in ids if job_id not in set(locked)]
    held = sorted(await session.scalars(_LEFT, {"ids": left})) if left else []
    bitten = Bitten(waits=bool(held), to=max((one for one in ids if not held or one < held[0]), default=None))
    if action.action == BulkKind.REPRIORITIZE:
        changed = await session.execute(_REPRIORITIZE, {"ids": locked, "priority": action.priority})
        bitten.done = len(changed.all())
        return bitten
    rows = (await session.execute(_CANCEL, {"ids": locked})).all()
    for row in rows:
        if row.status == "pending":
            cancel_after_commit(session.sync_session, row.id)
    bitten.done = len(rows)
    return bitten
