"""The chore that deletes nonces and idempotency keys whose time is over.

Marks have no index by age: it would cost each request two microseconds of PostgreSQL and 130 bytes of its log. The
chore walks through the tables instead, a bite of pages at a time, and remembers how far it came (decision 58).
"""

from math import ceil
from typing import ClassVar, Final, NamedTuple

from singr_db import PsycopgPool, sql
from singr_db.chores import Chore
from singr_jobs.intake._marks import KEPT_HOURS

BITE_PAGES: Final = 128
_BITE_ROWS: Final = 5000


class Walk(NamedTuple):
    """How one table is walked: `rounds` is how many runs of the chore it takes to come round."""

    size: str
    forget: str
    rounds: int


def _walk(table: str, over: str, rounds: int) -> Walk:
    return Walk(
        sql(f"SELECT pg_relation_size('{table}') / current_setting('block_size')::int"),
        sql(f"DELETE FROM {table} WHERE ctid >= %(first)s::tid AND ctid < %(end)s::tid AND {over}"),  # noqa: S608 - ours
        rounds,
    )


# Nonces are few, and of minutes. Keys stay for days, and an hour more is seen by nobody: a look-up asks for the age.
_WALKS: Final = (
    _walk("request_marks", "expires_at < now()", 1),
    _walk("request_keys", f"created_at <= now() - interval '{KEPT_HOURS} hours'", 60),
)
# What the release before wrote, or writes beside this one; these go with their tables.
_OF_BEFORE: Final = tuple(
    sql(f"""
        DELETE FROM {table} WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM {table} WHERE expires_at < now() LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
    """)  # noqa: S608 - ours
    for table in ("request_nonces", "idempotency_records")
)


class Housekeeper(Chore):
    """Deletes nonces and idempotency keys whose time is over; any number of processes may."""

    name: ClassVar = "tidying"
    seen_as: ClassVar = "idempotency.collect"
    module: ClassVar = "jobs.housekeeper"
    jitter: ClassVar = 0.5
    at_once: ClassVar = False
    every = 60.0

    def __init__(self, pool: PsycopgPool) -> None:
        self._pool = pool
        self._at = dict.fromkeys(_WALKS, 0)

    async def work(self) -> int:
        """Delete what is due in the next stretch of each table; answers how many rows went."""
        gone = sum([await self._go_on(walk) for walk in _WALKS])
        for statement in _OF_BEFORE:
            bite = _BITE_ROWS
            while bite == _BITE_ROWS:
                async with self._pool.connection() as connection:
                    bite = (await connection.execute(statement, {"limit": _BITE_ROWS})).rowcount
                gone += bite
        return gone

    async def _go_on(self, walk: Walk) -> int:
        async with self._pool.connection() as connection:
            [(pages,)] = await (await connection.execute(walk.size)).fetchall()
        gone = 0
        for _ in range(ceil(pages / BITE_PAGES / walk.rounds)):
            first = self._at[walk] if self._at[walk] < pages else 0
            self._at[walk] = first + BITE_PAGES
            bite = {"first": f"({first},0)", "end": f"({first + BITE_PAGES},0)"}
            async with self._pool.connection() as connection:
                gone += (await connection.execute(walk.forget, bite)).rowcount
        return gone
