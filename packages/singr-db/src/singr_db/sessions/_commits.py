"""Whether commits end: beside a synchronous standby that died, or on a disk that hangs, all else answers as ever."""

import asyncio
import errno
import time
from typing import Any, Final

from psycopg import AsyncConnection

from singr_db._errors import CommitsHangError
from singr_db.sessions._pool import PsycopgPool
from singr_db.sessions._signs_of_life import end

# Changes no row, and waits where every commit does: one that left a word in the log of changes goes to the disk and to
# the synchronous standbys. Whoever was denied the function leaves none, and its commits are not looked at.
LEAVE_A_WORD: Final = """
DO $$ BEGIN
    PERFORM pg_logical_emit_message(true, 'singr', '');
EXCEPTION WHEN insufficient_privilege THEN
    NULL;
END $$
"""
_PATIENCE_S = 2.0
_GOOD_FOR_S = 3.0


class Commits:
    """Tries, now and then, whether a commit ends; one try at a time, however many ask.

    One that hangs is left alone, on its one connection: whoever asks next finds it, and it ends when others do.
    """

    def __init__(self, pool: PsycopgPool) -> None:
        self._pool = pool
        self._trying: asyncio.Task[None] | None = None
        self._asked: AsyncConnection[Any] | None = None
        self._good_until = 0.0

    @property
    def is_trying(self) -> bool:
        """Whether a try has not ended yet."""
        return self._trying is not None and not self._trying.done()

    async def check(self) -> None:
        """Wait for a commit of our own, 2 s at most, unless one ended within the last 3 s.

        Raises:
            CommitsHangError: it did not end.
            psycopg.Error: the server refused it, or went away.
        """
        if self._trying is None or self._trying.done():
            if time.monotonic() < self._good_until:
                return
            self._trying = asyncio.create_task(self._try())
        trying = self._trying
        await asyncio.wait([trying], timeout=_PATIENCE_S)
        if not trying.done():
            raise CommitsHangError(
                errno.ETIMEDOUT, f"PostgreSQL answers, but a commit did not end in {_PATIENCE_S:g} s"
            )
        trying.result()

    async def close(self) -> None:
        """Give up a try that hangs."""
        if self._trying is not None and not self._trying.done():
            end(self._trying, self._asked)
            await asyncio.gather(self._trying, return_exceptions=True)

    async def _try(self) -> None:
        async with self._pool.beside() as connection:
            self._asked = connection
            try:
                await connection.execute(LEAVE_A_WORD)
            finally:
                self._asked = None
        self._good_until = time.monotonic() + _GOOD_FOR_S
