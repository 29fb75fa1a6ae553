"""Keeping the leases of what is in hand, from a thread: no handler can hold it up, however long it blocks the loop."""

import asyncio
import contextlib
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow

from singr_db import PsycopgPool
from singr_db.chores import Trouble
from singr_jobs.taking import _sql
from singr_jobs.taking._claimed import ClaimedJob
from singr_observability import get_logger

# Seconds between two looks at the loop, where jobs are in hand and where none are; and of its silence before that is
# told.
_LOOK = 0.25
_IDLE_LOOK = 2.0
_BLOCKED = 1.0
# How long the thread waits for locks of others, which shall not keep it from its next renewal.
_LOCK_TIMEOUT = "SET lock_timeout = '1s'"
# Seconds that a stop waits for a renewal under way, and how much of a stack is told.
_LAST = 2.0
_FRAMES = 6

_log = get_logger("jobs.leases")


class LeaseKeeper:
    """Renews leases every third of one, and tells which job blocks the event loop.

    Where the loop stands still, the jobs that wait in it are alive all the same, and none of them may be taken away.
    That ends a lease after the last of those that run should have ended: a process that hangs for ever loses them all.

    Args:
        pool: whose server; the connection is the thread's own, made when a lease first needs it.
        lease: seconds.
        in_hand: answers what has been taken; called in the thread.
        renewed: called in the loop with the jobs that were to be renewed, the tickets that are still there, and the
            jobs that somebody wants to be cancelled.
    """

    def __init__(
        self,
        pool: PsycopgPool,
        *,
        lease: float,
        in_hand: Callable[[], list[ClaimedJob]],
        renewed: Callable[[list[ClaimedJob], set[int], set[UUID]], None],
    ) -> None:
        self._pool = pool
        self._lease = lease
        self._in_hand = in_hand
        self._renewed = renewed
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._on_their_way: dict[object, tuple[float, Sequence[int]]] = {}
        self._connection: psycopg.Connection[Any] | None = None
        self._trouble = Trouble("the renewal of leases", module="jobs.leases")
        self._asked_at: float | None = None
        self._told = False
        self._failing = False
        self._renewing_since: float | None = None
        self._over = threading.Event()
        self._wanted = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="singr-leases", daemon=True)

    async def run(self) -> None:
        """Keep them until cancelled."""
        self._thread.start()
        try:
            await asyncio.Event().wait()
        finally:
            self._over.set()
            self._wanted.set()
            await asyncio.to_thread(self._thread.join, _LAST)

    @contextmanager
    def taking(self, tokens: Sequence[int]) -> Iterator[None]:
        """Keep these tickets too while they are on their way: PostgreSQL may have made them, and the loop not heard."""
        key = object()
        self._on_their_way[key] = (time.monotonic(), tokens)
        self._wanted.set()
        try:
            yield
        finally:
            del self._on_their_way[key]

    @property
    def failing(self) -> bool:
        """Whether the last renewal did not get through, or one hangs: then no lease that is over says anything."""
        since = self._renewing_since
        return self._failing or (since is not None and time.monotonic() - since > self._lease / 3)

    def _keep(self) -> None:
        every = self._lease / 3
        renew_at = time.monotonic() + every
        look = min(_LOOK, every)
        while not self._over.is_set():
            if self._rest(look):
                renew_at = time.monotonic() + every + look  # what has been taken by then is due
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._look_at_loop()
            if time.monotonic() < renew_at:
                continue
            renew_at = time.monotonic() + every
            try:
                self._renewing_since = time.monotonic()
                if not self._renew(every):
                    renew_at = time.monotonic()  # some were locked: again at the next look
                self._trouble.over()
                self._failing = False
            except Exception as error:  # noqa: BLE001 - see Trouble
                self._failing = True
                self._trouble.met(error)
                self._close()
                with contextlib.suppress(RuntimeError):  # the loop is closed
                    asyncio.run_coroutine_threadsafe(self._renew_in_loop(every), self._loop)
            finally:
                self._renewing_since = None
        self._close()

    def _rest(self, look: float) -> bool:
        """Until the next look; answers whether there was nothing in hand until then."""
        self._wanted.clear()
        if self._in_hand() or self._on_their_way:
            self._over.wait(look)
            return False
        if not self._over.is_set():
            self._wanted.wait(_IDLE_LOOK)
        return True

    def _hangs(self, now: float) -> bool:
        """Whether the loop has been silent past the time that its jobs had: then its process is as good as dead."""
        asked_at = self._asked_at
        if asked_at is None or now - asked_at < _BLOCKED:
            return False
        deadlines = [job.deadline for job in self._in_hand() if job.task is not None]
        return now > max(deadlines, default=asked_at) + self._lease

    def _due(self, every: float) -> tuple[list[ClaimedJob], list[int]]:
        """The jobs that were not renewed of late, and the tickets to renew."""
        now = time.monotonic()
        if self._hangs(now):
            return [], []
        old = [job for job in self._in_hand() if now - max(job.taken_at, job.leased_at) >= every]
        tokens = {job.token for job in old}
        for began, taking in list(self._on_their_way.values()):
            if now - began >= every:
                tokens.update(taking)
        return old, list(tokens)

    def _renew(self, every: float) -> bool:
        """Renew what is due; answers whether that was all of it."""
        old, tokens = self._due(every)
        if not tokens:
            return True
        if self._connection is None:
            self._connection = self._pool.connect()
            self._connection.execute(_LOCK_TIMEOUT)
        began = time.monotonic()
        rows = self._connection.execute(_sql.RENEW, {"tokens": tokens, "lease": self._lease}).fetchall()
        unwanted: set[UUID] = set()
        with contextlib.suppress(psycopg.errors.LockNotAvailable):  # the table is locked: asked again at the next turn
            asked = self._connection.execute(_sql.UNWANTED, {"ids": _sql.uuid_array([job.id for job in old])})
            unwanted = {job_id for (job_id,) in asked}
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._renewed, old, self._heard(old, rows, began), unwanted)
        return all(renewed for _, renewed in rows)

    async def _renew_in_loop(self, every: float) -> None:
        """The same over the pool, whose connections may live where a new one is not to be had."""
        old, tokens = self._due(every)
        if not tokens:
            return
        began = time.monotonic()
        with contextlib.suppress(Exception):  # the thread has said why, and tries again
            async with self._pool.connection() as connection:
                cursor = await connection.execute(_sql.RENEW, {"tokens": tokens, "lease": self._lease})
                rows = await cursor.fetchall()
            self._renewed(old, self._heard(old, rows, began), set())
            self._failing = False

    def _heard(self, old: list[ClaimedJob], rows: list[TupleRow], now: float) -> set[int]:
        """Note what was renewed; answers the tickets that are still there."""
        renewed = {token for token, was in rows if was}
        for job in old:
            if job.token in renewed:
                job.leased_at = now
        return {token for token, _ in rows}

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _look_at_loop(self) -> None:
        if self._asked_at is None:
            self._asked_at = time.monotonic()
            self._loop.call_soon_threadsafe(self._answer)
        elif not self._told and time.monotonic() - self._asked_at > _BLOCKED:
            self._told = True
            self._tell()

    def _answer(self) -> None:
        if self._told and self._asked_at is not None:
            _log.warning("the event loop goes on after {:.1f} s", time.monotonic() - self._asked_at)
        self._told = False
        self._asked_at = None

    def _tell(self) -> None:
        task = asyncio.current_task(self._loop)
        job = next((job for job in self._in_hand() if task is not None and job.task is task), None)
        frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001 - the documented way to another thread's stack
        where = traceback.format_list(traceback.extract_stack(frame)[-_FRAMES:]) if frame is not None else []
        who = f"job {job.id} ({job.type})" if job is not None else "something"
        _log.error(
            "{} blocks the event loop: nothing else goes on in this process. Let it await, or run in a thread:\n{}",
            who,
            "".join(where),
        )
