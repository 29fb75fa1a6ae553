"""Asks a customer how an order was."""

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


class ReviewRequest(Message, tag="review_request", frozen=True, kw_only=True):
    """Asks a customer how an order was."""

    user_name: PersonName
    farm_name: Title
    order_number: Reference
    link: HttpUrl


class ReviewRequestPush(Message, tag="review_request", frozen=True, kw_only=True):
    """Asks a customer how an order was."""

    farm_name: Title
    order_number: Reference
    link: ShortHttpUrl


_FARM: Final = "Willow Creek Farm"

MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="settle",
    speaks_for="organization",
    category="reviews",
    email=ReviewRequest,
    push=ReviewRequestPush,
    examples=(
        lambda user="Jane Doe", farm=_FARM, number="A-1042": ReviewRequest(
            user_name=user, farm_name=farm, order_number=number, link=EXAMPLE_LINK
        ),
        lambda farm=_FARM, number="A-1042": ReviewRequestPush(farm_name=farm, order_number=number, link=EXAMPLE_LINK),
    ),
)
