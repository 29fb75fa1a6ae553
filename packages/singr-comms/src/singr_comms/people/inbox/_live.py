"""Inboxes that are on a screen now: one look at the database for all of a process, whenever there may be news."""

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, TypeVar
from uuid import UUID

from singr_comms.people.inbox._news import InboxNews
from singr_db import Database, sql
from singr_db.redis import cancel_until_ended
from singr_observability import get_logger

_LOOKS_EVERY: Final = 2.0
# Whose it is, too: one that is given to somebody else, or is gone, has changed.
_STANDING: Final = sql("""
SELECT r.id, r.user_id, c.position FROM recipients AS r LEFT JOIN inbox_counters AS c ON c.recipient_id = r.id
 WHERE r.id = ANY (%s)
""")
_GONE: Final = (None, None)
_log = get_logger("comms.inbox")
T = TypeVar("T")


class LiveInbox:
    """One inbox on one screen, before one person."""

    def __init__(self, recipient_id: UUID, user_id: UUID) -> None:
        self.recipient_id = recipient_id
        self.user_id = user_id
        self._changed = asyncio.Event()
        self._changed.set()

    def stir(self) -> None:
        """Say that it may have changed."""
        self._changed.set()

    async def changed(self, within: float) -> bool:
        """Wait until it may have changed; False where it has not, within so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._changed.wait()
        stirred = self._changed.is_set()
        self._changed.clear()
        return stirred


class LiveInboxes:
    """Tells inboxes that are on a screen when they changed: at once where Redis carries a word, else within seconds.

    Args:
        db: opened; looks use its `psycopg` pool.
        news: whose words are heard.
    """

    def __init__(self, db: Database, news: InboxNews) -> None:
        self._db = db
        self.news = news
        self._watched: defaultdict[UUID, set[LiveInbox]] = defaultdict(set)
        self._standing: dict[UUID, tuple[UUID | None, int | None]] = {}
        self._stirs: Counter[UUID] = Counter()
        self._watching: Counter[UUID] = Counter()
        self._read: dict[UUID, tuple[tuple[int, int], asyncio.Future[Any]]] = {}
        self._anybody = asyncio.Event()

    def __len__(self) -> int:
        return sum(map(len, self._watched.values()))

    def watched(self, recipient_id: UUID) -> int:
        """On how many screens of this process it is."""
        return len(self._watched.get(recipient_id, ()))

    def watched_by(self, user_id: UUID) -> int:
        """On how many screens of this process one person has inboxes, of whatever organizations."""
        return self._watching.get(user_id, 0)

    def watch(self, recipient_id: UUID, user_id: UUID) -> LiveInbox:
        """Put an inbox on a screen before a person, as changed at first; `leave` it again."""
        live = LiveInbox(recipient_id, user_id)
        self._watching[user_id] += 1
        self._stirs[recipient_id] += 1  # it looks for itself first
        self._watched[recipient_id].add(live)
        self._anybody.set()
        return live

    def leave(self, live: LiveInbox) -> None:
        """Take it off the screen."""
        screens = self._watched[live.recipient_id]
        screens.discard(live)
        self._watching[live.user_id] -= 1
        if not self._watching[live.user_id]:
            del self._watching[live.user_id]
        if not screens:
            del self._watched[live.recipient_id]
            for known in (self._standing, self._stirs, self._read):
                known.pop(live.recipient_id, None)
        if not self._watched:
            self._anybody.clear()

    async def read_once(self, live: LiveInbox, after: int, read: Callable[[], Awaitable[T]]) -> T:
        """What `read` finds behind a position, for all screens of an inbox that stand there: one reads for them.

        Whoever was stirred since it began reads anew.
        """
        where = (after, self._stirs[live.recipient_id])
        known, reading = self._read.get(live.recipient_id, ((-1, -1), None))
        if reading is None or known != where or (reading.done() and (reading.cancelled() or reading.exception())):
            reading = asyncio.ensure_future(read())
            self._read[live.recipient_id] = (where, reading)
        found: T = await asyncio.shield(reading)
        return found

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hear and look until this is left."""
        tasks = {asyncio.create_task(self._hear()), asyncio.create_task(self._look())}
        try:
            yield
        finally:
            await cancel_until_ended(tasks)

    async def _hear(self) -> None:
        async for recipients in self.news.hear():
            for recipient_id in (recipients or self._watched.keys()) & self._watched.keys():
                self._stir(recipient_id)

    async def _look(self) -> None:
        while True:
            await self._anybody.wait()
            asked = list(self._watched)
            try:
                async with self._db.psycopg.connection() as connection:
                    found = await (await connection.execute(_STANDING, (asked,))).fetchall()
                standing = {recipient_id: (owner, position) for recipient_id, owner, position in found}
                for recipient_id in self._watched.keys() & asked:
                    now = standing.get(recipient_id, _GONE)
                    if self._standing.get(recipient_id) != now:
                        self._standing[recipient_id] = now
                        self._stir(recipient_id)
            except Exception as error:  # noqa: BLE001 - a store that is away comes back
                _log.debug("inboxes on screens could not be looked at: {}", type(error).__name__)
            await asyncio.sleep(_LOOKS_EVERY)

    def _stir(self, recipient_id: UUID) -> None:
        self._stirs[recipient_id] += 1
        for live in self._watched.get(recipient_id, ()):
            live.stir()
