"""A payment was refunded."""

from typing import Final

from singr_comms.catalogue import (
    EXAMPLE_LINK,
    Amount,
    HttpUrl,
    Message,
    MessageType,
    PersonName,
    Reference,
    ShortHttpUrl,
    Title,
)


class RefundProcessed(Message, tag="refund_processed", frozen=True, kw_only=True):
    """A payment was refunded."""

    user_name: PersonName
    farm_name: Title
    order_number: Reference
    amount: Amount
    link: HttpUrl


class RefundProcessedPush(Message, tag="refund_processed", frozen=True, kw_only=True):
    """A payment was refunded."""

    farm_name: Title
    order_number: Reference
    amount: Amount
    link: ShortHttpUrl


_FARM: Final = "Willow Creek Farm"

MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="settle",
    speaks_for="organization",
    category="payments",
    email=RefundProcessed,
    push=RefundProcessedPush,
    examples=(
        lambda user="Jane Doe", farm=_FARM, number="A-1042": RefundProcessed(
            user_name=user, farm_name=farm, order_number=number, amount="EUR 24.50", link=EXAMPLE_LINK
        ),
        lambda farm=_FARM, number="A-1042": RefundProcessedPush(
            farm_name=farm, order_number=number, amount="EUR 24.50", link=EXAMPLE_LINK
        ),
    ),
)
