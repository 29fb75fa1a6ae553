"""An order can be picked up."""

from typing import Final

from singr_comms.catalogue import (
    EXAMPLE_LINK,
    HttpUrl,
    LocalDateTime,
    Message,
    MessageType,
    PersonName,
    Reference,
    ShortHttpUrl,
    Title,
)


class OrderReady(Message, tag="order_ready", frozen=True, kw_only=True):
    """An order can be picked up."""

    user_name: PersonName
    farm_name: Title
    order_number: Reference
    pickup_place: Title
    link: HttpUrl
    pickup_until: LocalDateTime | None = None


class OrderReadySms(Message, tag="order_ready", frozen=True, kw_only=True):
    """An order can be picked up."""

    farm_name: Title
    order_number: Reference
    pickup_place: Title
    link: ShortHttpUrl
    pickup_until: LocalDateTime | None = None


class OrderReadyPush(OrderReadySms, tag="order_ready", frozen=True, kw_only=True):
    """An order can be picked up."""


_FARM: Final = "Willow Creek Farm"

MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="settle",
    speaks_for="organization",
    category="orders",
    email=OrderReady,
    sms=OrderReadySms,
    push=OrderReadyPush,
    examples=(
        lambda user="Jane Doe", farm=_FARM, number="A-1042", place="Market Hall, stall 7": OrderReady(
            user_name=user,
            farm_name=farm,
            order_number=number,
            pickup_place=place,
            link=EXAMPLE_LINK,
            pickup_until="2026-11-28T19:30",
        ),
        lambda user="Jane Doe", farm=_FARM, number="A-1042", place="Market Hall, stall 7": OrderReady(
            user_name=user, farm_name=farm, order_number=number, pickup_place=place, link=EXAMPLE_LINK
        ),
        lambda farm=_FARM, number="A-1042", place="Market Hall, stall 7": OrderReadySms(
            farm_name=farm, order_number=number, pickup_place=place, link=EXAMPLE_LINK, pickup_until="2026-11-28T19:30"
        ),
        lambda farm=_FARM, number="A-1042", place="Market Hall, stall 7": OrderReadySms(
            farm_name=farm, order_number=number, pickup_place=place, link=EXAMPLE_LINK
        ),
        lambda farm=_FARM, number="A-1042", place="Market Hall, stall 7": OrderReadyPush(
            farm_name=farm, order_number=number, pickup_place=place, link=EXAMPLE_LINK, pickup_until="2026-11-28T19:30"
        ),
        lambda farm=_FARM, number="A-1042", place="Market Hall, stall 7": OrderReadyPush(
            farm_name=farm, order_number=number, pickup_place=place, link=EXAMPLE_LINK
        ),
    ),
)
