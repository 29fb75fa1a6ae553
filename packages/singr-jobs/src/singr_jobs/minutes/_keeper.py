"""The chore that writes down by the minute what this process did."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Mapping
from typing import ClassVar, Final

import msgspec

from singr_db import PsycopgPool, sql
from singr_db.chores import Chore
from singr_jobs.minutes._tally import Tally, Work

EVERY: Final = 10.0
KEPT_HOURS: Final = 4
# What could not be written for longer than this is forgotten, the oldest first: ten minutes.
_MOST_UNWRITTEN: Final = 60
_LEAVING: Final = 1.0
# A moment after the minute has begun, so that what was done in the one before is written to that.
_INTO_THE_MINUTE: Final = 0.05

# In the order of the key, so that processes which write the same minute wait for each other in turn. A crash of the
# server may undo the last moment.
WRITE: Final = sql(f"""
WITH unflushed AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true)
), forgotten AS (
    DELETE FROM work_minutes WHERE minute < now() - interval '{KEPT_HOURS} hours'
), forgotten_of_queues AS (
    DELETE FROM queue_minutes WHERE minute < now() - interval '{KEPT_HOURS} hours'
), written AS (
    INSERT INTO work_minutes AS known (minute, queue, type, completed, retried, failed, waits, runs)
    SELECT date_trunc('minute', now() - %(age)s * interval '1 second'), done.*
      FROM unflushed CROSS JOIN jsonb_to_recordset(%(done)s::jsonb)
        AS done (queue text, type text, completed int, retried int, failed int, waits int[], runs int[])
     ORDER BY done.queue, done.type
    ON CONFLICT (minute, queue, type) DO UPDATE SET completed = known.completed + excluded.completed,
           retried = known.retried + excluded.retried, failed = known.failed + excluded.failed,
           waits = ARRAY(SELECT a + b FROM unnest(known.waits, excluded.waits) WITH ORDINALITY AS pair (a, b, at)
                          ORDER BY at),
           runs = ARRAY(SELECT a + b FROM unnest(known.runs, excluded.runs) WITH ORDINALITY AS pair (a, b, at)
                         ORDER BY at)
)
SELECT 60 - extract(epoch FROM now() - date_trunc('minute', now()))::float
""")  # noqa: S608 - a constant


class MinuteKeeper(Chore):
    """Adds to `work_minutes` what this process did, every ten seconds and where a minute ends, if it did anything.

    Minutes are those of the database's clock. A process that is killed loses what it did since the last time.
    """

    name: ClassVar = "writing down what was done by the minute"
    module: ClassVar = "jobs.minutes"
    jitter: ClassVar = 0.0
    at_once: ClassVar[bool] = False
    every = EVERY

    def __init__(self, pool: PsycopgPool, tally: Tally) -> None:
        self._pool = pool
        self._tally = tally
        self._since = time.monotonic()
        self._minute_ends = float("inf")
        self._unwritten: deque[tuple[float, str]] = deque(maxlen=_MOST_UNWRITTEN)

    async def work(self) -> None:
        """Write what was done since the last time; what cannot be written is written with the next."""
        now = time.monotonic()
        if done := self._tally.take():
            self._unwritten.append(((self._since + now) / 2, _as_json(done)))
        self._since = now
        if not self._unwritten:
            return
        async with self._pool.connection() as connection:
            while self._unwritten:
                middle, rows = self._unwritten[0]
                values = {"age": time.monotonic() - middle, "done": rows}
                [(left,)] = await (await connection.execute(WRITE, values)).fetchall()
                self._unwritten.popleft()
                self._minute_ends = time.monotonic() + left + _INTO_THE_MINUTE

    async def leave(self) -> None:
        """Write the last of it; a database that is away does not hold up the stop."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_LEAVING):
                await self.work()

    def _pause(self) -> float:
        now = time.monotonic()
        while self._minute_ends <= now:
            self._minute_ends += 60
        return min(self.every, self._minute_ends - now)


def _as_json(done: Mapping[tuple[str, str], Work]) -> str:
    rows = [
        {"queue": queue, "type": job_type, **{name: getattr(work, name) for name in Work.__slots__}}
        for (queue, job_type), work in done.items()
    ]
    return msgspec.json.encode(rows).decode()
