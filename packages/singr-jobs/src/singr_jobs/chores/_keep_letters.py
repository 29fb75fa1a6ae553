"""The chore that lets dead letters expire, and forgets those that were settled long ago."""

from typing import ClassVar, Final

from singr_config import RetentionSettings
from singr_db import PsycopgPool
from singr_db.chores import Chore
from singr_jobs.dead import _sql
from singr_observability import get_logger

_BITE: Final = 1000

_log = get_logger("jobs.dead_letters")


class LetterKeeper(Chore):
    """Keeps dead letters for their own time, whatever becomes of their jobs' rows; any number of processes may.

    What nobody settled in its time expires; what is settled, or has expired, goes after as long again.
    """

    name: ClassVar = "keeping dead letters"
    seen_as: ClassVar = "dead_letters.clean"
    module: ClassVar = "jobs.dead_letters"
    jitter: ClassVar = 0.5
    every = 600.0

    def __init__(self, pool: PsycopgPool, settings: RetentionSettings) -> None:
        self._pool = pool
        self._days = settings.dead_letter_days

    async def work(self) -> int:
        """One turn; answers how many letters expired."""
        expired, bite = 0, _BITE
        while bite == _BITE:
            async with self._pool.connection() as connection:
                values = {"days": self._days, "limit": _BITE, "by": None, "bulk": None}
                [(bite,)] = await (await connection.execute(_sql.EXPIRE, values)).fetchall()
            expired += bite
        gone = _BITE
        while gone == _BITE:
            async with self._pool.connection() as connection:
                gone = (await connection.execute(_sql.FORGET, {"days": self._days, "limit": _BITE})).rowcount
        if expired:
            _log.warning("{} dead letters expired: nobody settled them within {} days", expired, self._days)
        return expired
