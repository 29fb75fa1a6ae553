"""The chore by which a worker process says that it is there, what it serves and what it has in hand."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from typing import ClassVar, Final

import msgspec

from singr_db import PsycopgPool, sql
from singr_db.chores import Chore

EVERY: Final = 2.0
_WHOLE_EVERY: Final = 10.0
_LEAVING: Final = 1.0
ALIVE: Final = "workers.seen_at > now() - 3.5 * workers.says_every * interval '1 second'"
"""A worker counts as gone once it says nothing for as long as it would have said it three times."""

# Who has said nothing for a day is forgotten. A crash of the server may undo this: it is said again.
SAY: Final = sql("""
WITH unflushed AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true)
), forgotten AS (
    DELETE FROM workers WHERE seen_at < now() - interval '1 day' AND name <> %(name)s
)
INSERT INTO workers (name, host, version, queues, types, in_hand, says_every)
SELECT %(name)s, %(host)s, %(version)s, %(queues)s::text[], %(types)s::text[], %(in_hand)s::jsonb, %(every)s
  FROM unflushed
ON CONFLICT (name) DO UPDATE SET host = excluded.host, version = excluded.version, queues = excluded.queues,
       types = excluded.types, in_hand = excluded.in_hand, says_every = excluded.says_every, seen_at = now()
""")
# In between: a new version of a row on its page, and nothing of the indexes.
_STILL_THERE: Final = sql("""
WITH unflushed AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true)
)
UPDATE workers SET seen_at = now(), in_hand = %(in_hand)s::jsonb FROM unflushed WHERE name = %(name)s
""")
LEAVE: Final = sql("DELETE FROM workers WHERE name = %(name)s")
SERVED: Final = sql(f"""
SELECT DISTINCT queue, type
  FROM workers CROSS JOIN LATERAL unnest(queues) AS queue CROSS JOIN LATERAL unnest(types) AS type
 WHERE {ALIVE}
""")  # noqa: S608 - a constant


class Presence(Chore):
    """Says of this process what it serves.

    Args:
        pool: connections with platform rights.
        name: the process, as on its tickets.
        queues: the queues that it serves.
        types: which it runs.
        in_hand: how many jobs of each queue it has.
    """

    name: ClassVar = "saying that this worker is there"
    module: ClassVar = "jobs.presence"
    every = EVERY

    def __init__(
        self,
        pool: PsycopgPool,
        *,
        name: str,
        queues: Iterable[str],
        types: Callable[[], list[str]],
        in_hand: Callable[[], Mapping[str, int]],
    ) -> None:
        self._pool = pool
        self._worker = name
        self._queues = [str(queue) for queue in queues]
        self._types = types
        self._in_hand = in_hand
        self._version = metadata.version("singr-jobs")
        self._whole_at = 0.0

    async def work(self) -> None:
        """Say that it is there still, and now and then all of it."""
        now = time.monotonic()
        in_hand = msgspec.json.encode(self._in_hand()).decode()
        if now < self._whole_at:
            async with self._pool.connection() as connection:
                cursor = await connection.execute(_STILL_THERE, {"name": self._worker, "in_hand": in_hand})
            if cursor.rowcount:
                return
        values = {
            "name": self._worker,
            "host": socket.gethostname(),
            "version": self._version,
            "queues": self._queues,
            "types": sorted(self._types()),
            "in_hand": in_hand,
            "every": self.every,
        }
        async with self._pool.connection() as connection:
            await connection.execute(SAY, values)
        self._whole_at = now + _WHOLE_EVERY

    async def leave(self) -> None:
        """Say that it is gone; a database that is away hears it by the silence."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_LEAVING), self._pool.connection() as connection:
                await connection.execute(LEAVE, {"name": self._worker})
