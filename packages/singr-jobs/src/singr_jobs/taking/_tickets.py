"""Tickets on their way: one Dramatiq message that names a queue and a ticket's token; never a job, nor its payload."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import dramatiq
import redis
from dramatiq.broker import Broker, Consumer, MessageProxy
from dramatiq.brokers.redis import RedisBroker
from redis.backoff import NoBackoff
from redis.retry import Retry

from singr_config import RedisSettings
from singr_db.redis import refusal_of
from singr_jobs.declare._types import Queue
from singr_observability import get_logger

# Bytes of the longest ticket that is looked into: ours are less than 500.
_LONGEST = 16_384
# What Dramatiq's consumer sleeps at the most between two looks, and how long ours lets it be where no word has come.
_POLL_MS = 40
_UNTOLD_SECONDS = 2.0
# A right that is missing is given by hand: the consumer asks again this often, and stops within as long.
_REFUSED_SECONDS = 2.0
_TOKENS = 2**63
_MOST_JOBS = 512
_ACTOR = "ticket"
_PREFIX = "singr."

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
    """

    def __init__(
        self,
        broker: Broker,
        *,
        send: Callable[[list[dramatiq.Message[None]]], None],
    ) -> None:
        self._broker = broker
        self._send = send
        self._worker: dramatiq.Worker | None = None

    def send(self, tickets: Iterable[Ticket]) -> None:
        """Send them in one go; blocks, so call it in a thread. Raises the broker's connection errors."""
        self._send(
            [
                dramatiq.Message(
                    queue_name=f"{_PREFIX}{ticket.queue}",
                    actor_name=f"{_ACTOR}.{ticket.queue}",
                    args=(),
                    kwargs={"token": ticket.token, "jobs": ticket.jobs},
                    options={},
                )
                for ticket in tickets
            ]
        )

    @property
    def refusal(self) -> str | None:
        """What Redis refused when tickets were last fetched, and has not granted since."""
        return self._broker.refusal if isinstance(self._broker, _GatedBroker) else None

    def told(self, queue: Queue) -> None:
        """Tickets of this queue are on their way: look at once."""
        if isinstance(self._broker, _GatedBroker):
            self._broker.told(queue)

    def start(
        self, queues: Iterable[Queue], *, accept: Callable[[Ticket], None], gate: Callable[[Queue], bool]
    ) -> None:
        """Begin to receive. `accept` is called in Dramatiq's thread and must return at once."""
        if isinstance(self._broker, _GatedBroker):
            self._broker.gate = gate
        for queue in queues:
            self._declare_actor(queue, accept)
        self._worker = dramatiq.Worker(self._broker, worker_timeout=_POLL_MS, worker_threads=1)
        self._broker.emit_after("process_boot")
        self._worker.start()

    def stop(self) -> None:
        """Stop receiving; tickets in hand go back. Blocks for a poll interval or two."""
        if isinstance(self._broker, _GatedBroker):
            self._broker.stopping()
        if self._worker is not None:
            self._worker.stop(timeout=5_000)
            self._worker = None
        self._broker.close()

    def _declare_actor(self, queue: Queue, accept: Callable[[Ticket], None]) -> None:
        def receive(token: object, jobs: object = None, **_of_the_release_before: object) -> None:
            # Whoever reaches Redis may send one: a number that is none would be counted with.
            if type(token) is int and 0 <= token < _TOKENS and type(jobs) is int and 0 < jobs <= _MOST_JOBS:
                accept(Ticket(queue, token, jobs))

        declare = dramatiq.actor(broker=self._broker, actor_name=f"{_ACTOR}.{queue}", queue_name=f"{_PREFIX}{queue}")
        declare(receive)


def redis_transport(settings: RedisSettings) -> TicketTransport:
    """Tickets over Redis: the default. Redis may be away now, later, or lose all it held: leases bring jobs back."""
    client = redis.Redis.from_url(
        settings.url.reveal(), socket_timeout=2.0, socket_connect_timeout=1.0, retry=Retry(NoBackoff(), 0)
    )
    broker = _GatedBroker(client=client, middleware=[], namespace="singr:tickets", heartbeat_timeout=15_000)

    def send(messages: list[dramatiq.Message[None]]) -> None:
        # The broker has no batch call, but it takes a pipeline for a client: one round trip for all but the first,
        # which goes alone because the broker asks the server for a limit with its first command.
        broker.enqueue(messages[0])
        if len(messages) == 1:
            return
        pipeline = client.pipeline(transaction=False)
        batching = _GatedBroker(client=pipeline, middleware=[], namespace=broker.namespace)
        batching.broker_id = broker.broker_id
        for message in messages[1:]:
            batching.enqueue(message)
        pipeline.execute()

    return TicketTransport(broker, send=send)


class _GatedBroker(RedisBroker):
    """A Redis broker without delay queues (PostgreSQL keeps the times) whose consumers wait while the gate is shut."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]  # Dramatiq leaves its brokers untyped
        self.gate: Callable[[Queue], bool] = lambda _: True
        self.refusal: str | None = None
        self.closing = False
        self._told: dict[str, threading.Event] = {}

    def word(self, queue_name: str) -> threading.Event:
        """What says that a consumer should look."""
        return self._told.setdefault(queue_name, threading.Event())

    def told(self, queue: Queue) -> None:
        """Let the consumer of this queue look now."""
        self.word(f"{_PREFIX}{queue}").set()

    def stopping(self) -> None:
        """Let no consumer wait any more."""
        self.closing = True
        for word in self._told.values():
            word.set()

    def get_declared_delay_queues(self) -> set[str]:
        return set()

    def do_fetch(self, queue_name: str, count: int) -> list[bytes | None]:
        """Fetch messages, without those that are too long to be tickets, which decoding would hold all queues up for.

        They stay aside, as what cannot be decoded does.
        """
        fetch = self._dispatch("fetch")  # type: ignore[no-untyped-call]  # what the broker's own do_fetch is
        found: list[bytes | None] = fetch(queue_name, count)
        fit = [data for data in found if data is None or len(data) <= _LONGEST]
        if len(fit) < len(found):
            _log.warning(
                "{} messages of queue {} are too long to be tickets: ignored", len(found) - len(fit), queue_name
            )
        return fit

    def refused(self, error: redis.ResponseError) -> None:
        """The server answered a consumer, and refused: said once, not with a stack at every turn of every queue."""
        why = refusal_of(error)
        if why != self.refusal:
            self.refusal = why
            _log.warning("tickets cannot be fetched, each process keeps its own: {}", why)

    def granted(self) -> None:
        """A consumer got its answer."""
        if self.refusal is not None:
            self.refusal = None
            _log.info("tickets are fetched again")

    def close(self) -> None:
        """Close the connections too, which Dramatiq leaves to the collector of garbage."""
        super().close()
        self.client.close()

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        return _GatedConsumer(super().consume(queue_name, prefetch, timeout), self, queue_name, timeout)


class _GatedConsumer(Consumer):
    """Looks when it is told to, and once in a while in case a word was lost."""

    def __init__(self, inner: Consumer, broker: _GatedBroker, queue_name: str, timeout: int) -> None:
        self._inner = inner
        self._broker = broker
        self._queue = Queue(queue_name.removeprefix(_PREFIX))
        self._pause = timeout / 1000
        self._word = broker.word(queue_name)
        self._more = True

    def __next__(self) -> MessageProxy | None:
        if not self._more and not self._broker.closing:
            self._word.wait(_UNTOLD_SECONDS)
        self._word.clear()
        if not self._broker.gate(self._queue):
            self._more = True
            time.sleep(self._pause)
            return None
        try:
            message = self._inner.__next__()
        except redis.ResponseError as error:
            self._broker.refused(error)
            time.sleep(_REFUSED_SECONDS)
            return None
        self._broker.granted()
        self._more = message is not None
        return message

    def ack(self, message: MessageProxy) -> None:
        self._inner.ack(message)

    def nack(self, message: MessageProxy) -> None:
        self._inner.nack(message)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        self._inner.requeue(messages)

    def close(self) -> None:
        self._inner.close()
