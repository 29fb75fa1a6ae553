"""Wake-ups, which save polling and may be lost: through Redis, or whatever carries words instead."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import redis
import redis.asyncio

from singr_jobs.declare._types import Queue, well_named
from singr_jobs.intake._carrier import RECONNECT, Carrier, RedisCarrier
from singr_jobs.intake._wake import CANCEL, OWN, TICKETS, WAKER, word_of
from singr_observability import get_logger

_CANCEL_WORD = re.compile(r"cancel:[0-9a-f]{32}", re.ASCII)
# Seconds for which the last word may be on its way when a process ends.
_LAST = 15.0
# Seconds between two words of one process: the first is said at once, a torrent of them gathers into the next.
_BREATH = 0.01
# Words of one message: 64 of the longest are less than 2.6 kB.
_AT_ONCE = 64
# Bytes of the longest message that is looked into; a longer one is none of ours.
_LONGEST = 8192

_log = get_logger("jobs.waker")


class Waker:
    """Tells workers what is new, so that they need not poll the database: work in a queue, a job to be cancelled.

    A word that gets lost costs seconds at most, the workers' own intervals; so nothing here waits or raises.

    Args:
        carrier: what words go by; a Redis client is one, whose owner closes it.

    Attributes:
        refusal: what the listener was refused last, and has not been granted since.
    """

    refusal: str | None = None

    def __init__(self, carrier: redis.asyncio.Redis | Carrier) -> None:
        self._carrier = RedisCarrier(carrier) if isinstance(carrier, redis.asyncio.Redis) else carrier
        self._words: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self._is_away = False

    async def probe(self) -> None:
        """Say nothing, which nobody hears; raises redis.RedisError or OSError where words do not get through."""
        await self._carrier.publish("")

    def why(self, error: Exception) -> str | None:
        """What is refused, and what would be right, where `probe` raised this; None where nobody answers."""
        return self._carrier.refusal(error)

    def wake(self, queues: Iterable[str]) -> None:
        """Say that these queues have new work. Returns at once; call it after the commit.

        A name that is none, whoever stored it, is not said: it could be taken for another word.
        """
        self.say(word_of(queue) for queue in queues if well_named(queue))

    def cancel(self, job_id: UUID) -> None:
        """Say that this running job shall stop. Returns at once; call it after the commit."""
        self.say((CANCEL + job_id.hex,))

    def tickets(self, queue: Queue) -> None:
        """Say that tickets of this queue are on their way. Returns at once."""
        self.say((TICKETS + word_of(queue.value),))

    def attach(self, session_info: dict[Any, Any]) -> None:
        """Make sessions that carry this info (`Database.session_info`) speak up when they commit jobs."""
        session_info[WAKER] = self

    async def listen(
        self,
        *,
        cancelled: Callable[[UUID], None],
        handed: Callable[[Queue], None] = lambda _: None,
        misheard: Callable[[], None] = lambda: None,
    ) -> AsyncIterator[frozenset[Queue]]:
        """Yield the queues of every wake-up heard, for ever, coming back by itself when the carrier does.

        Jobs to be cancelled are passed to `cancelled`, queues whose tickets are on their way to `handed`. After each
        (re)connection all queues are named once, since wake-ups may have been missed. Anybody who reaches the carrier
        may speak here: a word that is none of ours is passed to `misheard` and changes nothing.
        """
        failures = 0
        while True:
            try:
                async with aclosing(self._carrier.hear()) as messages:
                    async for message in messages:
                        if message is None:
                            failures = 0
                            self._hears_again()
                            yield frozenset(Queue.declared())
                            continue
                        heard = _understood(message)
                        for job_id in heard.jobs:
                            cancelled(job_id)
                        for queue in heard.tickets:
                            handed(queue)
                        for _ in range(heard.strange):
                            misheard()
                        yield frozenset(heard.queues)
            except Exception as error:  # noqa: BLE001 - also what a client makes of an answer that is no Redis's
                failures += 1
                self._unheard(error, first=failures == 1)
                await asyncio.sleep(RECONNECT.delay(failures))

    def _hears_again(self) -> None:
        if self._is_away:
            _log.info("wake-ups are back")
        self._is_away, self.refusal = False, None

    def _unheard(self, error: Exception, *, first: bool) -> None:
        why = self._carrier.refusal(error)
        if first or (why is not None and why != self.refusal):
            _log.warning("wake-ups are away, polling instead: {}", why or type(error).__name__)
        self._is_away, self.refusal = True, why

    async def close(self) -> None:
        """Wait for the word on its way, if any, and close the carrier."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_LAST)
        await self._carrier.close()

    def say(self, words: Iterable[str]) -> None:
        """Say these words of ours: queues, and jobs to cancel. Returns at once."""
        self._words.update(words)
        if self._words and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._publish())

    async def _publish(self) -> None:
        while self._words:
            words = sorted(self._words)
            self._words.clear()
            try:
                for start in range(0, len(words), _AT_ONCE):
                    await self._carrier.publish(",".join(words[start : start + _AT_ONCE]))
            except (redis.RedisError, OSError) as error:
                _log.debug("wake-up not sent, workers will poll: {}", type(error).__name__)
            await asyncio.sleep(_BREATH)


@dataclass(slots=True)
class _Heard:
    """The queues with new work or tickets, and the jobs to cancel, that a message names; and its other words."""

    queues: set[Queue] = field(default_factory=set)
    tickets: set[Queue] = field(default_factory=set)
    jobs: list[UUID] = field(default_factory=list)
    strange: int = 0


def _understood(data: object) -> _Heard:
    """What a message says.

    One that is longer than any of ours counts as one word: looking into it would hold the event loop up.
    """
    heard = _Heard()
    if isinstance(data, bytes | str) and len(data) > _LONGEST:
        heard.strange = 1
        return heard
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data)
    known = {word_of(queue): queue for queue in Queue.declared()}
    for word in text.split(",") if text else ():  # an empty one is a probe
        kind = TICKETS if word.startswith(TICKETS) else OWN if word.startswith(OWN) else ""
        queue = known.get(word.removeprefix(TICKETS))
        if queue is not None:
            (heard.tickets if kind == TICKETS else heard.queues).add(queue)
        elif kind and well_named(word.removeprefix(TICKETS).removeprefix(OWN)):
            pass  # a queue that others declare, and serve
        elif _CANCEL_WORD.fullmatch(word):
            heard.jobs.append(UUID(hex=word.removeprefix(CANCEL)))
        else:
            heard.strange += 1
    return heard
