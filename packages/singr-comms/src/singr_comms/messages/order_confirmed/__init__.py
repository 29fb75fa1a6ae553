"""A farm confirmed an order."""

from typing import Final

from singr_comms.catalogue import (
    EXAMPLE_LINK,
    Amount,
    HttpUrl,
    LocalDateTime,
    Message,
    MessageType,
    PersonName,
    Reference,
    ShortHttpUrl,
    Title,
)


class OrderConfirmed(Message, tag="order_confirmed", frozen=True, kw_only=True):
    """A farm confirmed an order."""

    user_name: PersonName
    farm_name: Title
    order_number: Reference
    total: Amount
    link: HttpUrl
    ready_at: LocalDateTime | None = None


class OrderConfirmedSms(Message, tag="order_confirmed", frozen=True, kw_only=True):
    """A farm confirmed an order."""

    farm_name: Title
    order_number: Reference
    link: ShortHttpUrl
    ready_at: LocalDateTime | None = None


class OrderConfirmedPush(OrderConfirmedSms, tag="order_confirmed", frozen=True, kw_only=True):
    """A farm confirmed an order."""


_FARM: Final = "Willow Creek Farm"

MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="settle",
    speaks_for="organization",
    category="orders",
    email=OrderConfirmed,
    sms=OrderConfirmedSms,
    push=OrderConfirmedPush,
    examples=(
        lambda user="Jane Doe", farm=_FARM, number="A-1042": OrderConfirmed(
            user_name=user,
            farm_name=farm,
            order_number=number,
            total="EUR 24.50",
            link=EXAMPLE_LINK,
            ready_at="2026-11-28T17:00",
        ),
        lambda user="Jane Doe", farm=_FARM, number="A-1042": OrderConfirmed(
            user_name=user, farm_name=farm, order_number=number, total="EUR 24.50", link=EXAMPLE_LINK
        ),
        lambda farm=_FARM, number="A-1042": OrderConfirmedSms(
            farm_name=farm, order_number=number, link=EXAMPLE_LINK, ready_at="2026-11-28T17:00"
        ),
        lambda farm=_FARM, number="A-1042": OrderConfirmedSms(farm_name=farm, order_number=number, link=EXAMPLE_LINK),
        lambda farm=_FARM, number="A-1042": OrderConfirmedPush(
            farm_name=farm, order_number=number, link=EXAMPLE_LINK, ready_at="2026-11-28T17:00"
        ),
        lambda farm=_FARM, number="A-1042": OrderConfirmedPush(farm_name=farm, order_number=number, link=EXAMPLE_LINK),
    ),
)
