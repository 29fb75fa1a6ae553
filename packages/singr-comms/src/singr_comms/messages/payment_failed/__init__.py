"""A payment did not go through."""

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


class PaymentFailed(Message, tag="payment_failed", frozen=True, kw_only=True):
    """A payment did not go through."""

    user_name: PersonName
    farm_name: Title
    order_number: Reference
    amount: Amount
    link: HttpUrl
    reason: Title | None = None


class PaymentFailedSms(Message, tag="payment_failed", frozen=True, kw_only=True):
    """A payment did not go through."""

    farm_name: Title
    order_number: Reference
    amount: Amount
    link: ShortHttpUrl


class PaymentFailedPush(PaymentFailedSms, tag="payment_failed", frozen=True, kw_only=True):
    """A payment did not go through."""


_REASON: Final = "Your bank declined the card"
_FARM: Final = "Willow Creek Farm"

MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="settle",
    speaks_for="organization",
    category="payments",
    email=PaymentFailed,
    sms=PaymentFailedSms,
    push=PaymentFailedPush,
    examples=(
        lambda user="Jane Doe", farm=_FARM, number="A-1042", reason=_REASON: PaymentFailed(
            user_name=user, farm_name=farm, order_number=number, amount="EUR 24.50", link=EXAMPLE_LINK, reason=reason
        ),
        lambda user="Jane Doe", farm=_FARM, number="A-1042": PaymentFailed(
            user_name=user, farm_name=farm, order_number=number, amount="EUR 24.50", link=EXAMPLE_LINK
        ),
        lambda farm=_FARM, number="A-1042": PaymentFailedSms(
            farm_name=farm, order_number=number, amount="EUR 24.50", link=EXAMPLE_LINK
        ),
        lambda farm=_FARM, number="A-1042": PaymentFailedPush(
            farm_name=farm, order_number=number, amount="EUR 24.50", link=EXAMPLE_LINK
        ),
    ),
)
