"""Gates of queues that somebody's open transaction keeps shut, such as a console's: nobody takes from them then."""

import asyncio
from typing import Final

from singr_db import PsycopgPool, sql
from singr_jobs.declare._types import Queue
from singr_observability import get_logger

# Seconds before a queue is looked at again that somebody else was taking from, and once that has gone on for so long.
_BUSY: Final = 0.003
_PATIENT_AFTER: Final = 2.0
_PATIENT: Final = 0.25
# A take is over in moments: a gate that one transaction holds for longer is held by somebody who takes nothing.
_LONG: Final = 10.0
_SAID_EVERY: Final = 60.0

# Transactions, and their processes, that may hold a gate. What they run and since when only privileged roles are told.
_HOLDERS: Final = sql("""
SELECT virtualtransaction, pid FROM pg_locks
 WHERE relation = 'job_gates'::regclass AND granted AND mode IN ('RowShareLock', 'RowExclusiveLock')
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND pid IS DISTINCT FROM pg_backend_pid()
""")

_log = get_logger("jobs.dispatcher")


class HeldGates:
    """Notices that one transaction holds a queue's gate without a break, and says so once a minute."""

    def __init__(self, pool: PsycopgPool) -> None:
        self._pool = pool
        self._since: dict[Queue, float] = {}
        self._look_at: dict[Queue, float] = {}
        self._seen: dict[Queue, set[tuple[str, int | None]]] = {}

    def open(self, queue: Queue) -> None:
        """The queue could be taken from."""
        if self._since.pop(queue, None) is not None:
            self._seen.pop(queue, None)
            self._look_at.pop(queue, None)

    async def shut(self, queue: Queue) -> float:
        """The queue could not be taken from; answers in how many seconds to try again."""
        now = asyncio.get_running_loop().time()
        lasts = now - self._since.setdefault(queue, now)
        if lasts >= _LONG / 2 and now >= self._look_at.get(queue, 0.0):
            holders = await self._holders()
            both = holders & self._seen.get(queue, set())  # who takes, and took then, is another transaction by now
            for _, pid in both:
                who = "a prepared transaction" if pid is None else f"the transaction of pid {pid}"
                _log.warning("nobody takes from {}: {} has held its row of job_gates for {:.0f} s", queue, who, lasts)
            self._seen[queue] = holders
            self._look_at[queue] = now + (_SAID_EVERY if both else _LONG / 2)
        return _PATIENT if lasts >= _PATIENT_AFTER else _BUSY

    async def _holders(self) -> set[tuple[str, int | None]]:
        async with self._pool.connection() as connection:
            return set(await (await connection.execute(_HOLDERS)).fetchall())
