import asyncio
import random

from singr_db import HotPool
from singr_jobs._trouble import Trouble
from singr_jobs.running import _sql
from singr_observability import get_logger

EVERY = 60.0
_BITE = 5000

_log = get_logger("jobs.housekeeper")


class Housekeeper:
    """Deletes nonces and idempotency records whose time is over; any number of processes may."""

    def __init__(self, pool: HotPool) -> None:
        self._pool = pool

    async def run(self) -> None:
        """Tidy once a minute, more or less, so that processes started together do not tidy together."""
        trouble = Trouble("tidying", module="jobs.housekeeper")
        while True:
            await asyncio.sleep(EVERY * random.uniform(0.5, 1.5))  # noqa: S311 - spreads load, guards nothing
            try:
                await self.tidy()
                trouble.over()
            except Exception as error:  # noqa: BLE001 - see Trouble
                trouble.met(error)

    async def tidy(self) -> int:
        """Delete all that is due; answers how many rows went."""
        gone = 0
        for statement in (_sql.FORGET_NONCES, _sql.FORGET_RECORDS):
            bite = _BITE
            while bite == _BITE:
                async with self._pool.connection() as connection:
                    bite = (await connection.execute(statement, {"limit": _BITE})).rowcount
                gone += bite
        return gone
