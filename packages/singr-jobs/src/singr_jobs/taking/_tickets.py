"""Tickets on their way: one Dramatiq message that names a queue and a ticket's token; never a job, nor its payload."""

import asyncio
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from queue import PriorityQueue
from typing import Any, Final

import dramatiq
import redis
from dramatiq.broker import Broker, Consumer
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import ConnectionClosed
from redis.backoff import NoBackoff
from redis.retry import Retry

from singr_config import RedisSettings
from singr_db.redis import refusal_of
from singr_jobs.declare._types import Queue
from singr_jobs.intake._carrier import Carrier
from singr_jobs.taking._consumers import ACTOR, PREFIX, TicketBroker, TicketConsumer, ticket_message
from singr_observability import get_logger

# What Dramatiq's consumer sleeps at the most between two looks.
_POLL_MS = 40
_STOPPING_MS: Final = 5_000
# Seconds for which the thread that receives waits for a message, and then looks whether it shall end.
_PATIENCE: Final = 60.0
# Seconds between two looks whether all threads live.
_WATCH_EVERY: Final = 1.0
_ENDED: Final = "a thread that receives tickets has ended: it is about to be replaced"

_log = get_logger("jobs.tickets")


@dataclass(frozen=True, slots=True)
class Ticket:
    """What travels: which queue's ticket, and of how many jobs."""

    queue: Queue
    token: int
    jobs: int


class TicketTransport:
    """Sends tickets through a Dramatiq broker, and hands those that arrive to `accept`.

    The actor only hands a ticket over, so that one thread serves all queues and a slow queue holds up no other.
    `gate` says whether this process has room for a queue's tickets; while it has none, they stay for others.

    Attributes:
        carrier: what carries words beside the tickets, where that is not Redis.
    """

    def __init__(
        self,
        broker: TicketBroker,
        *,
        send: Callable[[list[dramatiq.Message[None]]], object],
        carrier: Carrier | None = None,
    ) -> None:
        self.carrier = carrier
        self._broker = broker
        self._send = send
        self._worker: dramatiq.Worker | None = None
        self._lock = threading.Lock()

    def send(self, tickets: Iterable[Ticket]) -> None:
        """Send them in one go; blocks, so call it in a thread. Raises the broker's connection errors."""
        self._send([ticket_message(ticket.queue, ticket.token, ticket.jobs) for ticket in tickets])

    @property
    def refusal(self) -> str | None:
        """Why no tickets come: what was refused when they were last fetched, or that nobody is there to fetch them."""
        return _ENDED if _has_ended(self._worker) else self._broker.refusal

    def why(self, error: BaseException) -> str:
        """Say why tickets could not be sent."""
        return self._broker.why(error)

    def told(self, queue: Queue) -> None:
        """Tickets of this queue are on their way: look at once."""
        self._broker.told(queue)

    def start(
        self, queues: Iterable[Queue], *, accept: Callable[[Ticket], None], gate: Callable[[Queue], bool]
    ) -> None:
        """Begin to receive. `accept` is called in Dramatiq's thread and must return at once."""
        self._broker.has_room = gate
        for queue in queues:
            self._declare_actor(queue, accept)
        self._broker.emit_after("process_boot")
        self._worker = self._work()

    async def watch(self) -> None:
        """Replace threads that end, until cancelled: a process that no longer receives would look well for ever."""
        while True:
            await asyncio.sleep(_WATCH_EVERY)
            if _has_ended(self._worker):
                await asyncio.to_thread(self.mend)

    def mend(self) -> None:
        """Begin to receive anew where a thread has ended. Blocks for a few seconds."""
        with self._lock:
            if self._worker is None or not _has_ended(self._worker):
                return
            _log.error("a thread that receives tickets has ended: all are started anew")
            self._worker.stop(timeout=_STOPPING_MS)
            self._broker.middleware.clear()  # the stopped worker's; there is no other
            self._worker = self._work()

    def stop(self) -> None:
        """Stop receiving; tickets in hand go back. Blocks for a poll interval or two."""
        self._broker.stopping()
        with self._lock:
            if self._worker is not None:
                self._worker.stop(timeout=_STOPPING_MS)
                self._worker = None

    def close(self) -> None:
        """Close the connections, once nothing is sent any more: a ticket that is sent later opens another."""
        self._broker.close()

    def _work(self) -> dramatiq.Worker:
        worker = _Worker(self._broker, worker_timeout=_POLL_MS, worker_threads=1)
        worker.start()
        return worker

    def _declare_actor(self, queue: Queue, accept: Callable[[Ticket], None]) -> None:
        def receive(token: int, jobs: int) -> None:
            accept(Ticket(queue, token, jobs))

        dramatiq.actor(broker=self._broker, actor_name=f"{ACTOR}{queue}", queue_name=f"{PREFIX}{queue}")(receive)


class _Worker(dramatiq.Worker):
    """A worker whose thread waits for messages: Dramatiq's asks for them at every turn of its poll."""

    def __init__(self, broker: Broker, *, worker_timeout: int, worker_threads: int) -> None:
        super().__init__(broker, worker_timeout=worker_timeout, worker_threads=worker_threads)
        self._messages = self.work_queue = _Messages()

    def stop(self, timeout: int = 600_000) -> None:
        self._messages.let_go()
        super().stop(timeout)


class _Messages(PriorityQueue[Any]):
    """Messages received, for a thread that waits until one comes or until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self._is_over = False

    def get(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: FBT001, FBT002 - the parent's own signature
        with self.not_empty:
            if block and not self._is_over and not self._qsize():
                self.not_empty.wait(_PATIENCE)
        return super().get(block, timeout)

    def let_go(self) -> None:
        """Let nobody wait any more for longer than told."""
        with self.not_empty:
            self._is_over = True
            self.not_empty.notify_all()


def _has_ended(worker: dramatiq.Worker | None) -> bool:
    return worker is not None and not all(thread.is_alive() for thread in (*worker.workers, *worker.consumers.values()))


def redis_transport(settings: RedisSettings) -> TicketTransport:
    """Tickets over Redis: the default. Redis may be away now, later, or lose all it held: leases bring jobs back."""
    client = redis.Redis.from_url(
        settings.url.reveal(), socket_timeout=2.0, socket_connect_timeout=1.0, retry=Retry(NoBackoff(), 0)
    )
    broker = _RedisBroker(client=client, middleware=[], namespace="singr:tickets", heartbeat_timeout=15_000)

    def send(messages: list[dramatiq.Message[None]]) -> None:
        # The broker has no batch call, but it takes a pipeline for a client: one round trip for all but the first,
        # which goes alone because the broker asks the server for a limit with its first command.
        broker.enqueue(messages[0])
        if len(messages) == 1:
            return
        pipeline = client.pipeline(transaction=False)
        batching = _RedisBroker(client=pipeline, middleware=[], namespace=broker.namespace)
        batching.broker_id = broker.broker_id
        for message in messages[1:]:
            batching.enqueue(message)
        pipeline.execute()

    return TicketTransport(broker, send=send)


class _RedisBroker(TicketBroker, RedisBroker):
    """A Redis broker without delay queues (PostgreSQL keeps the times) whose consumers wait while there is no room."""

    def why(self, error: BaseException) -> str:
        return refusal_of(error) or super().why(error)

    def get_declared_delay_queues(self) -> set[str]:
        return set()

    def take(self, queue_name: str) -> bytes | None:
        """Take and acknowledge the next message; None where there is none.

        Its id is asked of the server, where only this one is not acknowledged: what a message says of itself is
        anybody's word, and one that cannot be acknowledged would come back.
        """
        found: list[bytes | None] = self.do_fetch(queue_name, 1)
        if not found:
            return None
        for message_id in self.client.smembers(f"{self.namespace}:__acks__.{self.broker_id}.{queue_name}"):
            self.do_ack(queue_name, message_id)
        return found[0] or b""

    def close(self) -> None:
        """Close the connections too, which Dramatiq leaves to the collector of garbage."""
        super().close()
        self.client.close()

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:  # noqa: ARG002 - one by one
        return _RedisConsumer(self, queue_name, timeout)


class _RedisConsumer(TicketConsumer):
    """Asks for one message after the other."""

    broker: _RedisBroker

    def look(self) -> bytes | None:
        try:
            body = self.broker.take(self._queue_name)
        except redis.ResponseError as error:
            self.broker.refused(self._queue_name, refusal_of(error) or type(error).__name__)
            return None
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]  # Dramatiq's has no types
        self.broker.granted(self._queue_name)
        return body
