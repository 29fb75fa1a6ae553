"""Letting jobs through their keys: the first look at what has become due, and what was parked where there is room."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, ClassVar, Final, NamedTuple
from uuid import UUID

from psycopg.errors import UniqueViolation

from singr_db import PsycopgPool
from singr_db.chores import Chore, Trouble
from singr_jobs.declare._job_types import Jobs
from singr_jobs.declare._types import Exponential, Queue
from singr_jobs.intake._waker import Waker
from singr_jobs.keys import _sql
from singr_observability import get_logger

BITE: Final = 1000
# Jobs of one look at what is due: what their keys have running is counted once for all of them.
LOOKED: Final = 4000
# Where more is due: so many keys are met besides, with so many of their jobs.
HOPS: Final = 200
OF_EACH: Final = 10
# Keys of one stretch: of so many with parked jobs, what was forgotten is found within a second.
STRETCH: Final = 1000
# Seconds before another try where somebody else looks at this moment.
_BUSY: Final = 0.02
# Where an open transaction has all that is due: the longer it stays open, the longer, up to a poll.
_LOCKED: Final = Exponential(_BUSY, jitter=0.0)
# How much more seldom a process looks whose types have no limits.
_IDLE: Final = 5
_FIRST: Final = UUID(int=0)

_log = get_logger("jobs.keys")


class _Key(NamedTuple):
    organization_id: UUID
    type: str
    key: str


class _Turn(NamedTuple):
    """What one look did: whether `anything`, and whether there is `more` to do at once."""

    queues: set[str]
    anything: bool
    more: bool


class Promoter:
    """Lets jobs through their keys, whichever process enqueued them; any number of processes may.

    It looks when a word says that something was enqueued, when something becomes due, and else every `poll` seconds.

    Args:
        pool: connections with platform rights.
        jobs: the types of this process, whose limits it declares when it begins.
        poll: seconds.
        waker: tells others in which queues jobs are due now.
        due: told the same, here.
    """

    def __init__(
        self, pool: PsycopgPool, jobs: Jobs, *, poll: float, waker: Waker, due: Callable[[set[Queue]], None]
    ) -> None:
        self._pool = pool
        self._jobs = jobs
        self._poll = poll
        self._waker = waker
        self._due = due
        self._wake = asyncio.Event()
        self._last = self._met = _Key(_FIRST, "", "")
        self._stretch_at = 0.0
        self._in_vain = 0

    def wake(self) -> None:
        """Something was enqueued; where no type here has a limit, others look."""
        if self._jobs.limited:
            self._wake.set()

    async def run(self) -> None:
        """Look until cancelled; whatever strikes it, it tries again a poll later."""
        trouble = Trouble("letting jobs through their keys", module="jobs.keys")
        declared = False
        while True:
            pause = self._poll
            self._wake.clear()
            try:
                if not declared:
                    await self.declare()
                    declared = True
                pause = await self.look()
                trouble.over()
            except Exception as error:  # noqa: BLE001 - see Trouble
                trouble.met(error)
                await asyncio.sleep(self._poll)
                continue
            if pause > 0:
                if not self._jobs.limited:  # others look; what a type left parked that has no limits any more can wait
                    pause = max(pause, _IDLE * self._poll)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._wake.wait()

    async def declare(self) -> None:
        """Say what limits the types have that run here, and that the others have none."""
        types = [self._jobs.named(name) for name in sorted(self._jobs.runnable())]
        rates = [one.limits.rate if one.limits is not None else None for one in types]
        values = {
            "types": [one.name for one in types],
            "concurrency": [None if one.limits is None else one.limits.concurrency for one in types],
            "rate_count": [None if rate is None else rate.count for rate in rates],
            "rate_seconds": [None if rate is None else float(rate.seconds) for rate in rates],
        }
        async with self._pool.connection() as connection:
            await connection.execute(_sql.MAKE_GATE)
            await connection.execute(_sql.DECLARE, values)

    async def look(self) -> float:
        """One look; answers in how many seconds to look again."""
        async with self._pool.connection() as connection:
            [(parked, soon)] = await (await connection.execute(_sql.PROBE)).fetchall()
        now = asyncio.get_running_loop().time()
        stretch = parked and now >= self._stretch_at
        if not stretch and (soon is None or soon > 0):
            return min(self._poll, self._poll if soon is None else soon, self._until_stretch(now, parked=parked))
        turn = await self._turn(stretch=stretch)
        if turn is None:
            return _BUSY
        if stretch:
            self._stretch_at = now if turn.more else now + self._poll
        if turn.queues:
            self._due({Queue.stored(queue) for queue in turn.queues})
            self._waker.wake(turn.queues)
        if turn.anything or stretch:
            self._in_vain = 0
            return 0.0
        self._in_vain += 1
        return min(self._poll, _LOCKED.delay(self._in_vain))

    def _until_stretch(self, now: float, *, parked: bool) -> float:
        return max(self._stretch_at - now, _BUSY) if parked else self._poll

    async def _turn(self, *, stretch: bool) -> _Turn | None:
        """Look at what is due, and at parked jobs; None where another process is at it."""
        try:
            return await self._turn_by(_sql.LOOK, _sql.LOOK_AT_KEYS, stretch=stretch)
        except UniqueViolation:  # of one of these jobs somebody made two by hand
            return await self._turn_by(_sql.LOOK_PAST, _sql.LOOK_AT_KEYS_PAST, stretch=stretch)

    async def _turn_by(self, look: str, look_at_keys: str, *, stretch: bool) -> _Turn | None:
        async with self._pool.connection() as connection, connection.transaction():
            if await (await connection.execute(_sql.ENTER)).fetchone() is None:
                return None
            looked = await connection.execute(look, {"limit": LOOKED})
            [(queues, organizations, types, keys, seen)] = await looked.fetchall()
            if seen == LOOKED:
                met = await connection.execute(look_at_keys, {**self._met._asdict(), "hops": HOPS, "limit": OF_EACH})
                [(more_queues, *more, _, hops, last)] = await met.fetchall()
                queues += more_queues
                organizations, types, keys = (
                    one + other for one, other in zip((organizations, types, keys), more, strict=True)
                )
                self._met = _Key(UUID(last[0]), *last[1:]) if hops == HOPS else _Key(_FIRST, "", "")
            values: dict[str, Any] = {
                **self._last._asdict(),
                "organizations": organizations,
                "types": types,
                "keys": keys,
                "limit": BITE,
                "hops": STRETCH if stretch else 0,
            }
            [(more_queues, moved, over, hops, *last)] = await (await connection.execute(_sql.UNPARK, values)).fetchall()
        if stretch:
            self._last = _Key(*last) if hops == STRETCH else _Key(_FIRST, "", "")
        anything = seen > 0 or moved > 0 or over > 0
        return _Turn({*queues, *more_queues}, anything, seen == LOOKED or moved >= BITE)


class SlotSweeper(Chore):
    """Forgets what was let through and has ended without a word: by the release before, or by hand."""

    name: ClassVar = "the sweep of keys"
    module: ClassVar = "jobs.keys"
    every = 15.0

    def __init__(self, pool: PsycopgPool) -> None:
        self._pool = pool
        self._after = _FIRST

    async def work(self) -> int:
        """Look at a stretch of them; answers how many were wrong."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_sql.FORGET_SLOTS, {"after": self._after, "limit": BITE})
            [(looked, last, gone)] = await cursor.fetchall()
        self._after = last if looked == BITE else _FIRST
        if gone:
            _log.warning("{} jobs had ended and still took room of their keys: that is free again", gone)
        return int(gone)
