"""Tickets on their way: one Dramatiq message that names a queue and a ticket's token; never a job, nor its payload."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import dramatiq
import redis
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.brokers.redis import RedisBroker
from redis.backoff import NoBackoff
from redis.retry import Retry

from singr_config import RedisSettings
from singr_db.redis import refusal_of
from singr_jobs.declare._types import Queue
from singr_jobs.taking._gates import LONGEST, PREFIX, GatedBroker, GatedConsumer
from singr_observability import get_logger

# What Dramatiq's consumer sleeps at the most between two looks.
_POLL_MS = 40
_TOKENS = 2**63
_MOST_JOBS = 512
_ACTOR = "ticket"

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
        broker: GatedBroker,
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
                    queue_name=f"{PREFIX}{ticket.queue}",
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
        """What was refused when tickets were last fetched, and has not been granted since."""
        return self._broker.refusal

    def told(self, queue: Queue) -> None:
        """Tickets of this queue are on their way: look at once."""
        self._broker.told(queue)

    def start(
        self, queues: Iterable[Queue], *, accept: Callable[[Ticket], None], gate: Callable[[Queue], bool]
    ) -> None:
        """Begin to receive. `accept` is called in Dramatiq's thread and must return at once."""
        self._broker.gate = gate
        for queue in queues:
            self._declare_actor(queue, accept)
        self._worker = dramatiq.Worker(self._broker, worker_timeout=_POLL_MS, worker_threads=1)
        self._broker.emit_after("process_boot")
        self._worker.start()

    def stop(self) -> None:
        """Stop receiving; tickets in hand go back. Blocks for a poll interval or two."""
        self._broker.stopping()
        if self._worker is not None:
            self._worker.stop(timeout=5_000)
            self._worker = None
        self._broker.close()

    def _declare_actor(self, queue: Queue, accept: Callable[[Ticket], None]) -> None:
        def receive(token: object, jobs: object = None, **_of_the_release_before: object) -> None:
            # Whoever reaches Redis or RabbitMQ may send one: a number that is none would be counted with.
            if type(token) is int and 0 <= token < _TOKENS and type(jobs) is int and 0 < jobs <= _MOST_JOBS:
                accept(Ticket(queue, token, jobs))

        declare = dramatiq.actor(broker=self._broker, actor_name=f"{_ACTOR}.{queue}", queue_name=f"{PREFIX}{queue}")
        declare(receive)


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


class _RedisBroker(GatedBroker, RedisBroker):
    """A Redis broker without delay queues (PostgreSQL keeps the times) whose consumers wait while the gate is shut."""

    def get_declared_delay_queues(self) -> set[str]:
        return set()

    def do_fetch(self, queue_name: str, count: int) -> list[bytes | None]:
        """Fetch messages, without those that are too long to be tickets, which decoding would hold all queues up for.

        They stay aside, as what cannot be decoded does.
        """
        fetch = self._dispatch("fetch")  # type: ignore[no-untyped-call]  # what the broker's own do_fetch is
        found: list[bytes | None] = fetch(queue_name, count)
        fit = [data for data in found if data is None or len(data) <= LONGEST]
        if len(fit) < len(found):
            _log.warning(
                "{} messages of queue {} are too long to be tickets: ignored", len(found) - len(fit), queue_name
            )
        return fit

    def close(self) -> None:
        """Close the connections too, which Dramatiq leaves to the collector of garbage."""
        super().close()
        self.client.close()

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        return _RedisConsumer(super().consume(queue_name, prefetch, timeout), self, queue_name, timeout)


class _RedisConsumer(GatedConsumer):
    """Dramatiq's own, behind the gate."""

    def __init__(self, inner: Consumer, broker: _RedisBroker, queue_name: str, timeout: int) -> None:
        super().__init__(broker, queue_name, timeout)
        self._inner = inner

    def look(self) -> MessageProxy | None:
        try:
            message = self._inner.__next__()
        except redis.ResponseError as error:
            self.broker.refused(refusal_of(error))
            return None
        self.broker.granted()
        return message

    def ack(self, message: MessageProxy) -> None:
        self._inner.ack(message)

    def nack(self, message: MessageProxy) -> None:
        self._inner.nack(message)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        self._inner.requeue(messages)

    def close(self) -> None:
        self._inner.close()
