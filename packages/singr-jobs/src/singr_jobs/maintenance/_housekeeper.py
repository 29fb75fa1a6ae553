"""The chore that deletes expired nonces and idempotency records."""

from typing import ClassVar

from singr_db import PsycopgPool
from singr_db.chores import Chore
from singr_jobs.running import _sql

_BITE = 5000


class Housekeeper(Chore):
    """Deletes nonces and idempotency records whose time is over; any number of processes may."""

    name: ClassVar = "tidying"
    module: ClassVar = "jobs.housekeeper"
    jitter: ClassVar = 0.5
    at_once: ClassVar = False
    every = 60.0

    def __init__(self, pool: PsycopgPool) -> None:
        self._pool = pool

    async def work(self) -> int:
        """Delete all that is due; answers how many rows went."""
        gone = 0
        for statement in (_sql.FORGET_NONCES, _sql.FORGET_RECORDS):
            bite = _BITE
            while bite == _BITE:
                async with self._pool.connection() as connection:
                    bite = (await connection.execute(statement, {"limit": _BITE})).rowcount
                gone += bite
        return gone
