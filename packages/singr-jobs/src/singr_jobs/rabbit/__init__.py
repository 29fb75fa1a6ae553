"""RabbitMQ in place of Redis: it carries wake-ups and tickets, as Dramatiq's messages.

Needs the extra `[rabbitmq]`.
"""

from singr_config.extras import require_extra

require_extra("singr-jobs", "rabbitmq", "pika")

from singr_config import RabbitSettings
from singr_jobs.rabbit._broker import RabbitBroker
from singr_jobs.rabbit._words import RabbitCarrier
from singr_jobs.taking._tickets import TicketTransport

__all__ = ["rabbit_carrier", "rabbit_transport"]


def rabbit_carrier(settings: RabbitSettings) -> RabbitCarrier:
    """What a `Waker` says its words by, for whoever only enqueues; it connects with the first, and the Waker closes it.

    RabbitMQ may be away now, later, or lose all that it held: workers then poll.
    """
    return RabbitCarrier(RabbitBroker(settings))


def rabbit_transport(settings: RabbitSettings) -> TicketTransport:
    """Tickets over RabbitMQ, and words by the same connection. It may be away at any time: leases bring jobs back."""
    broker = RabbitBroker(settings)
    return TicketTransport(broker, send=broker.send_tickets, carrier=RabbitCarrier(broker))
