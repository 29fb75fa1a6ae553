"""A delivery moved on."""

from typing import Final, Literal, TypeAlias

from singr_comms.catalogue import EXAMPLE_LINK, Message, MessageType, PlaceTime, Reference, ShortHttpUrl, Title

DeliveryStatus: TypeAlias = Literal["packed", "on_the_way", "arriving", "delivered", "delayed", "failed"]
"""Where a delivery is."""


class DeliveryUpdateSms(Message, tag="delivery_update", frozen=True, kw_only=True):
    """A delivery moved on."""

    farm_name: Title
    order_number: Reference
    status: DeliveryStatus
    link: ShortHttpUrl
    expected_at: PlaceTime | None = None


class DeliveryUpdatePush(Message, tag="delivery_update", frozen=True, kw_only=True):
    """A delivery moved on."""

    farm_name: Title
    order_number: Reference
    status: DeliveryStatus
    link: ShortHttpUrl
    expected_at: PlaceTime | None = None


_FARM: Final = "Willow Creek Farm"

MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="settle",
    speaks_for="organization",
    category="orders",
    time_to_live=12 * 3600,
    sms=DeliveryUpdateSms,
    push=DeliveryUpdatePush,
    examples=(
        lambda farm=_FARM, number="A-1042": DeliveryUpdateSms(
            farm_name=farm, order_number=number, status="on_the_way", link=EXAMPLE_LINK, expected_at="2026-11-28T17:00"
        ),
        lambda farm=_FARM, number="A-1042": DeliveryUpdateSms(
            farm_name=farm, order_number=number, status="on_the_way", link=EXAMPLE_LINK
        ),
        lambda farm=_FARM, number="A-1042": DeliveryUpdatePush(
            farm_name=farm, order_number=number, status="on_the_way", link=EXAMPLE_LINK, expected_at="2026-11-28T17:00"
        ),
        lambda farm=_FARM, number="A-1042": DeliveryUpdatePush(
            farm_name=farm, order_number=number, status="on_the_way", link=EXAMPLE_LINK
        ),
    ),
)
