import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any
from uuid import UUID

import redis
import redis.asyncio
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.retry import Retry
from sqlalchemy import event
from sqlalchemy.orm import Session

from singr_config import RedisSettings
from singr_jobs._types import Queue
from singr_observability import get_logger

CHANNEL = "singr:wake"
_RECONNECT = ExponentialBackoff(cap=5.0, base=0.2)
_CANCEL = "cancel:"
_CANCEL_WORD = re.compile(r"cancel:[0-9a-f]{32}", re.ASCII)
_QUEUES = frozenset(queue.value for queue in Queue)
# Seconds without a word after which the connection is asked whether it still lives.
_QUIET = 15.0
# Seconds between two words of one process: the first is said at once, a torrent of them gathers into the next.
_BREATH = 0.01
_WAKER = "singr_jobs.waker"
_WORDS = "singr_jobs.words"

_log = get_logger("jobs.redis")


def redis_client(settings: RedisSettings, *, timeout: float = 2.0) -> redis.asyncio.Redis:
    """A client that gives up after ``timeout`` seconds and never retries by itself.

    Redis is disposable here: a caller would rather know at once that it is away than wait for it.
    """
    return redis.asyncio.Redis.from_url(
        settings.url.reveal(),
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )


class Waker:
    """Tells workers what is new, so that they need not poll the database: work in a queue, a job to be cancelled.

    A word that gets lost costs seconds at most, the workers' own intervals; so nothing here waits or raises.
    """

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client
        self._words: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def wake(self, queues: Iterable[str]) -> None:
        """Say that these queues have new work. Returns at once; call it after the commit."""
        self._say(queues)

    def cancel(self, job_id: UUID) -> None:
        """Say that this running job shall stop. Returns at once; call it after the commit."""
        self._say((_CANCEL + job_id.hex,))

    def attach(self, session_info: dict[Any, Any]) -> None:
        """Make sessions that carry this info (`Database.session_info`) speak up when they commit jobs."""
        session_info[_WAKER] = self

    async def listen(
        self, *, cancelled: Callable[[UUID], None], misheard: Callable[[], None] = lambda: None
    ) -> AsyncIterator[frozenset[Queue]]:
        """Yield the queues of every wake-up heard, for ever, coming back by itself when Redis does.

        After each (re)connection all queues are named once, since wake-ups may have been missed. Anybody who reaches
        Redis may speak here: a word that is none of ours is passed to ``misheard`` and changes nothing.
        """
        failures = 0
        while True:
            try:
                async with self._client.pubsub() as pubsub:
                    await pubsub.subscribe(CHANNEL)
                    failures = 0
                    yield frozenset(Queue)
                    while True:
                        message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=_QUIET)
                        if message is None:
                            await pubsub.ping()
                        elif message["type"] == "message":
                            queues, jobs, strange = _understood(message["data"])
                            for job_id in jobs:
                                cancelled(job_id)
                            for _ in range(strange):
                                misheard()
                            yield queues
            except Exception as error:  # noqa: BLE001 - also what a client makes of an answer that is no Redis's
                failures += 1
                if failures == 1:
                    _log.warning("wake-ups are away, polling instead: {}", type(error).__name__)
                await asyncio.sleep(_RECONNECT.compute(failures))

    async def close(self) -> None:
        """Wait for the word on its way, if any."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_QUIET)

    def _say(self, words: Iterable[str]) -> None:
        self._words.update(words)
        if self._words and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._publish())

    async def _publish(self) -> None:
        while self._words:
            words = ",".join(sorted(self._words))
            self._words.clear()
            try:
                await self._client.publish(CHANNEL, words)
            except (redis.RedisError, OSError) as error:
                _log.debug("wake-up not sent, workers will poll: {}", type(error).__name__)
            await asyncio.sleep(_BREATH)


def _understood(data: object) -> tuple[frozenset[Queue], list[UUID], int]:
    """The queues and the jobs to cancel that a message names, and how many of its words are neither."""
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data)
    queues: set[Queue] = set()
    jobs: list[UUID] = []
    strange = 0
    for word in text.split(","):
        if word in _QUEUES:
            queues.add(Queue(word))
        elif _CANCEL_WORD.fullmatch(word):
            jobs.append(UUID(hex=word.removeprefix(_CANCEL)))
        else:
            strange += 1
    return frozenset(queues), jobs, strange


def wake_after_commit(session: Session, queue: str) -> None:
    """Once the session commits, wake that queue's dispatchers, if the session's owner attached a `Waker`."""
    _after_commit(session, queue)


def cancel_after_commit(session: Session, job_id: UUID) -> None:
    """Once the session commits, tell the job's worker to stop it."""
    _after_commit(session, _CANCEL + job_id.hex)


def _after_commit(session: Session, word: str) -> None:
    waker: Waker | None = session.info.get(_WAKER)
    if waker is None:
        return
    words: set[str] | None = session.info.get(_WORDS)
    if words is None:
        words = session.info[_WORDS] = set()
        event.listen(session, "after_commit", _speak_up)
        event.listen(session, "after_rollback", _keep_silent)
    words.add(word)


def _speak_up(session: Session) -> None:
    words: set[str] = session.info[_WORDS]
    waker: Waker = session.info[_WAKER]
    waker._say(words)  # noqa: SLF001 - one module, one secret
    words.clear()


def _keep_silent(session: Session) -> None:
    session.info[_WORDS].clear()
