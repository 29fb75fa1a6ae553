"""A delivery moved on."""

from collections.abc import Callable
from itertools import chain
from typing import Final, Literal, TypeAlias

from singr_comms.catalogue import EXAMPLE_LINK, LocalDateTime, Message, MessageType, Reference, ShortHttpUrl, Title

DeliveryStatus: TypeAlias = Literal["packed", "on_the_way", "arriving", "delivered", "delayed", "failed"]
"""Where a delivery is."""


class DeliveryUpdateSms(Message, tag="delivery_update", frozen=True, kw_only=True):
    """A delivery moved on."""

    farm_name: Title
    order_number: Reference
    status: DeliveryStatus
    link: ShortHttpUrl
    expected_at: LocalDateTime | None = None


class DeliveryUpdatePush(DeliveryUpdateSms, tag="delivery_update", frozen=True, kw_only=True):
    """A delivery moved on."""


_FARM: Final = "Willow Creek Farm"
_STATUSES: Final[tuple[DeliveryStatus, ...]] = ("on_the_way", "packed", "arriving", "delivered", "delayed", "failed")


def _examples(status: DeliveryStatus) -> tuple[Callable[..., Message], ...]:
    return (
        lambda farm=_FARM, number="A-1042": DeliveryUpdateSms(
            farm_name=farm, order_number=number, status=status, link=EXAMPLE_LINK, expected_at="2026-11-28T17:00"
        ),
        lambda farm=_FARM, number="A-1042": DeliveryUpdateSms(
            farm_name=farm, order_number=number, status=status, link=EXAMPLE_LINK
        ),
        lambda farm=_FARM, number="A-1042": DeliveryUpdatePush(
            farm_name=farm, order_number=number, status=status, link=EXAMPLE_LINK, expected_at="2026-11-28T17:00"
        ),
        lambda farm=_FARM, number="A-1042": DeliveryUpdatePush(
            farm_name=farm, order_number=number, status=status, link=EXAMPLE_LINK
        ),
    )


MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="settle",
    speaks_for="organization",
    category="orders",
    time_to_live=12 * 3600,
    sms=DeliveryUpdateSms,
    push=DeliveryUpdatePush,
    examples=tuple(chain.from_iterable(map(_examples, _STATUSES))),
)
