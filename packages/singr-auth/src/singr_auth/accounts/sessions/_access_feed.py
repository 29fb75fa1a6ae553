"""How every process learns within a second that access was taken away: the table `access_changes`, read as it grows."""

import asyncio
import datetime as dt
import itertools
import time
from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias, TypeVar
from uuid import UUID

import psycopg

from singr_config.clock import clock
from singr_db import Database, PlatformSession, TenantSession, after_commit, sql, sql_text
from singr_observability import get_logger

ChangeKind = Literal["session", "user", "organization", "credential"]
Subscriber: TypeAlias = Callable[[str, UUID | None], None]

_STALE_SECONDS: Final = 0.5
_PATIENCE_SECONDS: Final = 2.0
_OVERLAP: Final = dt.timedelta(seconds=60)
_MARGIN: Final = dt.timedelta(minutes=2)

_APPEND: Final = sql_text(
    "INSERT INTO access_changes (kind, subject) VALUES (:kind, :subject)", roles=("platform", "tenant")
)
_APPEND_SESSIONS: Final = sql_text(
    "INSERT INTO access_changes (kind, subject) SELECT 'session', subject FROM unnest(CAST(:ids AS uuid[])) AS subject"
)
_START: Final = sql("SELECT clock_timestamp() - %s")
# The first row says which history this is: another one after a failover or a restart, and once a dump was restored.
_POLL: Final = sql("""
    SELECT 0, concat_ws(' ', extract(epoch FROM pg_postmaster_start_time()), pg_relation_filenode('access_changes'),
                        (SELECT oid FROM pg_database WHERE datname = current_database())),
           NULL, clock_timestamp()
    UNION ALL
    SELECT id, kind, subject, changed_at FROM access_changes WHERE changed_at >= %s
""")
_ATTACHED: Final = "singr_auth.access_feed"
_log = get_logger("singr_auth.accounts")
_Row: TypeAlias = tuple[int, str, UUID | None, dt.datetime]


async def note_change(session: PlatformSession | TenantSession, kind: ChangeKind, subject: UUID | None) -> None:
    """Tell every process of a change of access, in the transaction that makes it; this one hears of it at its commit.

    Args:
        session: the transaction of the change. Call this near its end: a transaction that stays open for more than a
            minute after it may be overlooked.
        kind: `session` (ended), `user`, `organization` or `credential` (what they may do is to be read again).
        subject: whose; None: all of that kind.
    """
    await session.execute(_APPEND, {"kind": kind, "subject": subject})
    feed: AccessFeed | None = session.info.get(_ATTACHED)
    if feed is not None:
        after_commit(session, feed.tell, kind, subject)


async def note_sessions_ended(session: PlatformSession, ended: list[UUID]) -> None:
    """Tell every process of these sessions' end, in the transaction that ends them."""
    if ended:
        await session.execute(_APPEND_SESSIONS, {"ids": ended})


class AccessFeed:
    """What was taken away lately, at most half a second old.

    An access token is checked without a store; this says which sessions were ended while their tokens still live. It
    reads what was added since the last look, and a minute more: a row's number and time are given when it is written,
    but it shows when its transaction commits, later rows perhaps before it. Belongs to one event loop.

    A database that was restored, or that another server took over, may have lost the newest changes and give their
    numbers away again. Then all is looked at anew, and subscribers hear that anybody's access may have changed; an
    ended session that was heard of stays so.

    Args:
        db: opened; reads use its `psycopg` pool.
        remember: seconds for which an access token lives at most: older ends need not be remembered.
    """

    def __init__(self, db: Database, *, remember: int) -> None:
        self._db = db
        self._remember = dt.timedelta(seconds=remember) + _MARGIN
        self._asked = float("-inf")
        self._flight: tuple[float, asyncio.Task[None]] | None = None
        self._until: dt.datetime | None = None
        self._history: str | None = None
        self._seen: dict[tuple[int, dt.datetime], dt.datetime] = {}
        self._ended: dict[UUID, dt.datetime] = {}
        self._subscribers: list[Subscriber] = []

    async def ensure_fresh(self) -> None:
        """Return once nothing that was committed half a second ago is unknown here.

        Raises:
            psycopg.OperationalError, psycopg_pool.PoolTimeout, TimeoutError: the database does not answer, so that
                nobody can be let in.
        """
        await self._known_since(time.monotonic() - _STALE_SECONDS)

    async def refresh(self) -> None:
        """Return once nothing that was committed before this call is unknown here; raises as `ensure_fresh` does."""
        await self._known_since(time.monotonic())

    async def _known_since(self, wanted: float) -> None:
        while self._asked < wanted:
            # one that is done, and not cleared away yet, would be waited for in no time, for ever
            under_way = self._flight if self._flight is not None and not self._flight[1].done() else None
            started, flight = under_way or self._take_off()
            try:
                # shielded: one caller that goes away must not fail the others who wait for the same look
                await asyncio.shield(flight)
            except Exception:
                if started >= wanted:
                    raise  # else it was under way before: look once more

    def session_revoked(self, session_id: UUID) -> bool:
        """Tell whether this session was ended, as of the last look."""
        return session_id in self._ended

    def subscribe(self, callback: Subscriber) -> None:
        """Call `callback(kind, subject)` for every change from now on, whatever it is; it must not raise.

        Of a change that this process made itself, `attach`ed, it hears twice: at the commit, and from the table.
        """
        self._subscribers.append(callback)

    def attach(self, session_info: dict[Any, Any]) -> None:
        """Let subscribers hear of a change at once that a session with this info commits (`Database.session_info`)."""
        session_info[_ATTACHED] = self

    def tell(self, kind: str, subject: UUID | None) -> None:
        """Tell this process's subscribers of a change."""
        for callback in self._subscribers:
            try:
                callback(kind, subject)
            except Exception:  # noqa: BLE001 — one that fails must not keep the others, or a revocation, from being heard
                _log.error("a subscriber of access changes failed")

    def _take_off(self) -> tuple[float, asyncio.Task[None]]:
        started = time.monotonic()
        flight = asyncio.create_task(self._look(started))
        self._flight = (started, flight)
        flight.add_done_callback(self._landed)
        return self._flight

    def _landed(self, flight: asyncio.Task[None]) -> None:
        if self._flight is not None and self._flight[1] is flight:
            self._flight = None
        if not flight.cancelled():
            flight.exception()  # read it: when every caller went away, nobody else would

    async def _look(self, started: float) -> None:
        async with asyncio.timeout(_PATIENCE_SECONDS), self._db.psycopg.connection() as connection:
            head, rows = await self._read(connection, self._until)
            if self._history not in {None, head[1]}:
                self._begin_anew()
                head, rows = await self._read(connection, None)
        looked = head[3]
        for number, kind, subject, changed_at in rows:
            # a number may come again, for another change, once the database was restored
            if (number, changed_at) not in self._seen:
                self._seen[number, changed_at] = changed_at
                self._take_in(kind, subject, changed_at)
        self._history = head[1]
        self._until = looked - _OVERLAP
        self._asked = started
        self._forget(looked)

    async def _read(
        self, connection: psycopg.AsyncConnection[Any], since: dt.datetime | None
    ) -> tuple[_Row, list[_Row]]:
        if since is None:
            row = await (await connection.execute(_START, (self._remember,))).fetchone()
            since = row[0] if row is not None else clock.now() - self._remember
        head, *rows = sorted(await (await connection.execute(_POLL, (since,))).fetchall(), key=lambda row: row[0])
        return head, rows

    def _begin_anew(self) -> None:
        _log.warning("the database was restored, restarted or replaced: what is known of access is read anew")
        self._history, self._until = None, None
        self._seen.clear()
        self.tell("user", None)

    def _take_in(self, kind: str, subject: UUID | None, changed_at: dt.datetime) -> None:
        if kind == "session" and subject is not None:
            self._ended[subject] = changed_at
        self.tell(kind, subject)

    def _forget(self, now: dt.datetime) -> None:
        _drop_before(self._seen, now - _OVERLAP - _MARGIN)
        _drop_before(self._ended, now - self._remember)


K = TypeVar("K")


def _drop_before(entries: dict[K, dt.datetime], horizon: dt.datetime) -> None:
    """Drop the oldest entries: they stand first, nearly in order, and one that stays a while longer does no harm."""
    for key in list(itertools.takewhile(lambda key: entries[key] < horizon, entries)):
        del entries[key]
