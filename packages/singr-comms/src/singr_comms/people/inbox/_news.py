"""How inboxes on a screen learn at once that something changed: a word through Redis, which may be lost.

Whoever listens looks into the database, by itself every few seconds and at once after a word.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from typing import Any, Final
from uuid import UUID

import redis
import redis.asyncio
from sqlalchemy.ext.asyncio import AsyncSession

from singr_db import after_commit
from singr_db.redis import hear_channel
from singr_observability import get_logger

_CHANNEL: Final = "singr:inbox"
_ATTACHED: Final = "singr_comms.inbox_news"
_BYTES: Final = 16
# Ids of one message: 16 kB.
_AT_ONCE: Final = 1_000
_SOONEST, _LATEST = 0.2, 5.0
_log = get_logger("comms.inbox")


def note_news(session: AsyncSession, recipients: Iterable[UUID]) -> None:
    """Tell, once the session's transaction has committed, that these people's inboxes changed."""
    news: InboxNews | None = session.info.get(_ATTACHED)
    if news is not None:
        after_commit(session, news.tell, frozenset(recipients))


class InboxNews:
    """Says and hears whose inboxes changed. A word that is lost costs a few seconds, so nothing here waits or raises.

    Args:
        client: carries the words; its owner closes it.
    """

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client
        self._told: set[UUID] = set()
        self._task: asyncio.Task[None] | None = None

    def attach(self, session_info: dict[Any, Any]) -> None:
        """Make sessions that carry this info (`Database.session_info`) speak up when they commit changes."""
        session_info[_ATTACHED] = self

    def tell(self, recipients: Iterable[UUID]) -> None:
        """Say that these people's inboxes changed. Returns at once; call it after the commit."""
        self._told.update(recipients)
        if self._told and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._publish())

    async def hear(self) -> AsyncIterator[frozenset[UUID]]:
        """Yield whose inboxes changed, for ever; none where words may have been missed, which is first."""
        failures = 0
        while True:
            try:
                async with aclosing(hear_channel(self._client, _CHANNEL)) as words:
                    async for word in words:
                        if word is None:
                            if failures:
                                failures = 0
                                _log.info("news of inboxes are back")
                            yield frozenset()
                        elif named := _named(word):
                            yield named
            except (redis.RedisError, OSError) as error:
                failures += 1
                if failures == 1:
                    _log.warning("news of inboxes are away, looking instead: {}", type(error).__name__)
                wait = min(_LATEST, _SOONEST * 2 ** min(failures, 8))
                await asyncio.sleep(wait * (0.5 + random.random() / 2))  # noqa: S311 - spreads

    async def close(self) -> None:
        """Wait for the word that is on its way, if any."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_LATEST)

    async def _publish(self) -> None:
        while self._told:
            ids = list(self._told)
            self._told.clear()
            try:
                for start in range(0, len(ids), _AT_ONCE):
                    message = b"".join(one.bytes for one in ids[start : start + _AT_ONCE])
                    await self._client.publish(_CHANNEL, message)
            except (redis.RedisError, OSError) as error:
                _log.debug("news of inboxes not told, whoever listens looks: {}", type(error).__name__)


def _named(data: Any) -> frozenset[UUID]:
    """Whom a message names; anybody who reaches Redis may speak here, and what is none of ours names nobody."""
    if not isinstance(data, bytes) or len(data) % _BYTES or len(data) > _AT_ONCE * _BYTES:
        return frozenset()
    return frozenset(UUID(bytes=data[at : at + _BYTES]) for at in range(0, len(data), _BYTES))
