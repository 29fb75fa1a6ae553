"""The chore that ends flows which somebody left open."""

from typing import ClassVar, Final
from uuid import UUID

from singr_config import RetentionSettings
from singr_db import Database, sql_text
from singr_db.chores import Chore
from singr_db.operation_log import log_operation
from singr_observability import get_logger

_BITE: Final = 100

_log = get_logger("jobs.flows")

_IS_IDLE: Final = """
       f.state = 'open' AND f.created_at < now() - make_interval(days => :days)
   AND NOT EXISTS (
       SELECT FROM jobs AS j WHERE j.flow_id = f.id
          AND ((j.status = 'pending' AND j.id IS DISTINCT FROM f.completion_job_id)
               OR greatest(j.created_at, j.finished_at) >= now() - make_interval(days => :days)))"""
_FIND = sql_text(f"""
SELECT f.id FROM flows AS f WHERE f.finished_at IS NULL AND f.id > :after AND {_IS_IDLE} ORDER BY f.id LIMIT :limit
""")  # noqa: S608 - a constant
# Whoever adds a member has the flow locked, and has not committed: it is idle no more.
_LOCK = sql_text("SELECT id FROM flows WHERE id = ANY (CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE SKIP LOCKED")
# Looked at anew with the lock: what was added before it is seen. The rest of its members a `FlowKeeper` cancels.
_CANCEL = sql_text(f"""
UPDATE flows AS f SET cancelled_at = now(),
       finished_at = CASE WHEN completed + failed + cancelled = total THEN now() END
 WHERE f.id = ANY (CAST(:ids AS uuid[])) AND {_IS_IDLE}
RETURNING f.id, f.organization_id
""")  # noqa: S608 - a constant


class IdleFlows(Chore):
    """Cancels flows that stand open with nothing left to run, and that nobody has added to for their time.

    Their members would be kept for ever. They are not closed, which would let the completion job run: nobody said that
    all its members had come. What a flow had done stays done.
    """

    name: ClassVar = "ending idle flows"
    seen_as: ClassVar = "flows.clean"
    module: ClassVar = "jobs.flows"
    jitter: ClassVar = 0.5
    every = 3600.0

    def __init__(self, db: Database, settings: RetentionSettings) -> None:
        self._db = db
        self._days = settings.open_flow_days

    async def work(self) -> int:
        """One turn; answers how many flows it cancelled."""
        ended, after = 0, UUID(int=0)
        while found := await self._find(after):
            ended += await self._cancel(found)
            after = found[-1]
        if ended:
            _log.warning("{} flows were cancelled: they stood open for {} days with nothing to run", ended, self._days)
        return ended

    async def _find(self, after: UUID) -> list[UUID]:
        async with self._db.platform() as session:
            values = {"days": self._days, "after": after, "limit": _BITE}
            return list((await session.execute(_FIND, values)).scalars())

    async def _cancel(self, ids: list[UUID]) -> int:
        async with self._db.platform() as session:
            locked = list((await session.execute(_LOCK, {"ids": ids})).scalars())
            rows = (await session.execute(_CANCEL, {"days": self._days, "ids": locked})).all()
            reason = f"it stood open for {self._days} days with nothing left to run"
            for row in rows:
                owner = {"organization_id": row.organization_id, "reason": reason}
                was, now = {"state": "open"}, {"state": "cancelled"}
                await log_operation(session, "flow.cancel", row.id, before=was, after=now, **owner)
            return len(rows)
