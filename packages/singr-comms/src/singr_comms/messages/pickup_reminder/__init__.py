"""An order is due for pickup soon.

It lives for an hour: what waits longer, in a queue that is behind, is not sent any more. Ask for it an hour ahead, as
`remind_of_pickup` does.
"""

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


class PickupReminder(Message, tag="pickup_reminder", frozen=True, kw_only=True):
    """An order is due for pickup soon."""

    user_name: PersonName
    farm_name: Title
    order_number: Reference
    pickup_at: LocalDateTime
    pickup_place: Title
    link: HttpUrl


class PickupReminderSms(Message, tag="pickup_reminder", frozen=True, kw_only=True):
    """An order is due for pickup soon."""

    farm_name: Title
    order_number: Reference
    pickup_at: LocalDateTime
    pickup_place: Title
    link: ShortHttpUrl


class PickupReminderPush(PickupReminderSms, tag="pickup_reminder", frozen=True, kw_only=True):
    """An order is due for pickup soon."""


_FARM: Final = "Willow Creek Farm"

MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="settle",
    speaks_for="organization",
    category="orders",
    time_to_live=3600,
    quiet="pass",
    email=PickupReminder,
    sms=PickupReminderSms,
    push=PickupReminderPush,
    examples=(
        lambda user="Jane Doe", farm=_FARM, number="A-1042", place="Market Hall, stall 7": PickupReminder(
            user_name=user,
            farm_name=farm,
            order_number=number,
            pickup_at="2026-11-28T17:00",
            pickup_place=place,
            link=EXAMPLE_LINK,
        ),
        lambda farm=_FARM, number="A-1042", place="Market Hall, stall 7": PickupReminderSms(
            farm_name=farm, order_number=number, pickup_at="2026-11-28T17:00", pickup_place=place, link=EXAMPLE_LINK
        ),
        lambda farm=_FARM, number="A-1042", place="Market Hall, stall 7": PickupReminderPush(
            farm_name=farm, order_number=number, pickup_at="2026-11-28T17:00", pickup_place=place, link=EXAMPLE_LINK
        ),
    ),
)
