"""Dramatiq's broker for RabbitMQ, with one connection for all, and consumers that wait while there is no room."""

from collections.abc import Iterable
from functools import partial
from typing import Any, Final

import dramatiq
import pika
from dramatiq.broker import Consumer
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from singr_config import RabbitSettings
from singr_jobs.rabbit._address import RabbitAwayError, connection_parameters
from singr_jobs.rabbit._post import Post
from singr_jobs.taking._consumers import PREFIX, TicketBroker, TicketConsumer

WORDS: Final = f"{PREFIX}wake"
"""The exchange that gives each word to everybody who listens."""

# Milliseconds after which a message is of no use any more: a lease has run out, or somebody polled.
_TICKET_LASTS: Final = "60000"
_WORD_LASTS: Final = "10000"


class RabbitBroker(TicketBroker, RabbitmqBroker):
    """All that it asks RabbitMQ goes by its `post`, in whatever thread Dramatiq calls it.

    Queues keep neither delayed nor dead messages, and no message is written to disk: PostgreSQL keeps the times, and
    leases bring back what is lost.
    """

    def __init__(self, settings: RabbitSettings) -> None:
        super().__init__(parameters=[connection_parameters(settings)], confirm_delivery=True, middleware=[])
        self.post = Post(self)

    def get_declared_delay_queues(self) -> set[str]:
        return set()

    def declare_queue(self, queue_name: str, *, ensure: bool = False) -> None:  # noqa: ARG002 - it is made when used
        super().declare_queue(queue_name)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:  # noqa: ARG002 - one by one
        return _RabbitConsumer(self, queue_name, timeout)

    def enqueue(self, message: dramatiq.Message[Any], *, delay: int | None = None) -> dramatiq.Message[Any]:  # noqa: ARG002 - none of ours is delayed
        self.send_tickets([message])
        return message

    def why(self, error: BaseException) -> str:
        return str(error) if isinstance(error, RabbitAwayError) else super().why(error)

    def close(self) -> None:
        """Leave the connection to words that are still to be said: whoever owns the carrier closes it."""

    def declare_words(self, channel: Any) -> None:
        """See to it that there is something to say words by; in the thread of `post`, as all that takes a channel."""
        channel.exchange_declare(WORDS, "fanout", durable=True)

    def forget_queues(self) -> None:
        """Make all queues again when they are next used: a server may have lost them."""
        self.queues_pending |= self.queues

    def publish_word(self, channel: Any, message: dramatiq.Message[Any]) -> None:
        """Say something to everybody who listens."""
        _publish(channel, WORDS, "", message, _WORD_LASTS)

    def send_tickets(self, messages: Iterable[dramatiq.Message[Any]]) -> None:
        """Send each to one consumer of its queue; blocks for seconds at the most, and raises RabbitAwayError."""
        for message in messages:
            self.post.wait(message.queue_name, partial(self._publish_ticket, message=message))

    def _publish_ticket(self, channel: Any, message: dramatiq.Message[Any]) -> None:
        self._make(channel, message.queue_name)
        _publish(channel, "", message.queue_name, message, _TICKET_LASTS)

    def take(self, channel: Any, queue_name: str) -> bytes | None:
        """Take and acknowledge the next message; None where there is none."""
        self._make(channel, queue_name)
        method, _, body = channel.basic_get(queue_name, auto_ack=True)
        return None if method is None else body

    def _make(self, channel: Any, queue_name: str) -> None:
        if queue_name not in self.queues or queue_name in self.queues_pending:
            channel.queue_declare(queue_name, durable=True, arguments={"x-queue-type": "classic"})
            self.queues_pending.discard(queue_name)


def _publish(channel: Any, exchange: str, key: str, message: dramatiq.Message[Any], lasts: str) -> None:
    properties = pika.BasicProperties(expiration=lasts, delivery_mode=1)
    channel.basic_publish(exchange, key, message.encode(), properties=properties, mandatory=not exchange)


class _RabbitConsumer(TicketConsumer):
    """Asks for one message after the other, so that none waits in a process that has no room for it."""

    broker: RabbitBroker

    def look(self) -> bytes | None:
        try:
            body = self.broker.post.wait(self._queue_name, partial(self.broker.take, queue_name=self._queue_name))
        except RabbitAwayError as error:
            if error.refusal is not None:
                self.broker.refused(self._queue_name, error.refusal)
            return None
        self.broker.granted(self._queue_name)
        return body
