"""An order was cancelled."""

from typing import Final

from singr_comms.catalogue import (
    EXAMPLE_LINK,
    HttpUrl,
    Message,
    MessageType,
    PersonName,
    Reference,
    ShortHttpUrl,
    Title,
)


class OrderCancelled(Message, tag="order_cancelled", frozen=True, kw_only=True):
    """An order was cancelled."""

    user_name: PersonName
    farm_name: Title
    order_number: Reference
    link: HttpUrl
    reason: Title | None = None


class OrderCancelledSms(Message, tag="order_cancelled", frozen=True, kw_only=True):
    """An order was cancelled."""

    farm_name: Title
    order_number: Reference
    link: ShortHttpUrl
    reason: Title | None = None


class OrderCancelledPush(OrderCancelledSms, tag="order_cancelled", frozen=True, kw_only=True):
    """An order was cancelled."""


_REASON: Final = "The frost took the last of the tomatoes"
_FARM: Final = "Willow Creek Farm"

MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="settle",
    speaks_for="organization",
    category="orders",
    email=OrderCancelled,
    sms=OrderCancelledSms,
    push=OrderCancelledPush,
    examples=(
        lambda user="Jane Doe", farm=_FARM, number="A-1042", reason=_REASON: OrderCancelled(
            user_name=user, farm_name=farm, order_number=number, link=EXAMPLE_LINK, reason=reason
        ),
        lambda user="Jane Doe", farm=_FARM, number="A-1042": OrderCancelled(
            user_name=user, farm_name=farm, order_number=number, link=EXAMPLE_LINK
        ),
        lambda farm=_FARM, number="A-1042", reason=_REASON: OrderCancelledSms(
            farm_name=farm, order_number=number, link=EXAMPLE_LINK, reason=reason
        ),
        lambda farm=_FARM, number="A-1042": OrderCancelledSms(farm_name=farm, order_number=number, link=EXAMPLE_LINK),
        lambda farm=_FARM, number="A-1042", reason=_REASON: OrderCancelledPush(
            farm_name=farm, order_number=number, link=EXAMPLE_LINK, reason=reason
        ),
        lambda farm=_FARM, number="A-1042": OrderCancelledPush(farm_name=farm, order_number=number, link=EXAMPLE_LINK),
    ),
)
