"""A payment arrived."""

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


class PaymentReceived(Message, tag="payment_received", frozen=True, kw_only=True):
    """A payment arrived."""

    user_name: PersonName
    farm_name: Title
    order_number: Reference
    amount: Amount
    link: HttpUrl


class PaymentReceivedSms(Message, tag="payment_received", frozen=True, kw_only=True):
    """A payment arrived."""

    farm_name: Title
    order_number: Reference
    amount: Amount
    link: ShortHttpUrl


class PaymentReceivedPush(PaymentReceivedSms, tag="payment_received", frozen=True, kw_only=True):
    """A payment arrived."""


_FARM: Final = "Willow Creek Farm"

MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="settle",
    speaks_for="organization",
    category="payments",
    email=PaymentReceived,
    sms=PaymentReceivedSms,
    push=PaymentReceivedPush,
    examples=(
        lambda user="Jane Doe", farm=_FARM, number="A-1042": PaymentReceived(
            user_name=user, farm_name=farm, order_number=number, amount="EUR 24.50", link=EXAMPLE_LINK
        ),
        lambda farm=_FARM, number="A-1042": PaymentReceivedSms(
            farm_name=farm, order_number=number, amount="EUR 24.50", link=EXAMPLE_LINK
        ),
        lambda farm=_FARM, number="A-1042": PaymentReceivedPush(
            farm_name=farm, order_number=number, amount="EUR 24.50", link=EXAMPLE_LINK
        ),
    ),
)
