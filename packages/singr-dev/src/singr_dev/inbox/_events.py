"""What can become of a message afterwards, and who gets that without a click."""

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

from singr_dev.inbox._shorts import ShortMessage
from singr_dev.inbox._store import Mail

Item: TypeAlias = Mail | ShortMessage
LATE: Final = 600.0
"""Seconds after which a late callback comes."""
_AT_ONCE: Final = 1.0


class Event(NamedTuple):
    """Something that happens to a message, in the words of its button."""

    name: str
    said: str
    means: str


_EVENTS: Final[Mapping[str, tuple[Event, ...]]] = {
    "resend": (
        Event("delivered", "Delivered", "The recipient's server took it."),
        Event("bounce", "Bounce", "The address does not exist: nobody sends to it any more."),
        Event("soft-bounce", "Soft bounce", "The mailbox is full."),
        Event("complain", "Complaint", "The reader marked it as spam."),
    ),
    "twilio": (
        Event("delivered", "Delivered", "It reached the phone."),
        Event("undelivered", "Undelivered", "The phone is off or out of reach (Twilio 30003)."),
        Event("stop", "STOP", "The reader answers STOP: no more texts to this number."),
        Event("start", "START", "The reader answers START: texts may be sent again."),
    ),
    "fcm": (
        Event("unregister", "App removed", "From now on, FCM refuses this token as unregistered."),
        Event("register", "App installed again", "FCM takes this token again."),
    ),
}
_OF_MAIL: Final = {
    "delivered": ("delivered", _AT_ONCE),
    "bounce": ("bounce", _AT_ONCE),
    "bounced": ("bounce", _AT_ONCE),
    "soft-bounce": ("soft-bounce", _AT_ONCE),
    "complain": ("complain", _AT_ONCE),
    "complained": ("complain", _AT_ONCE),
    "late": ("delivered", LATE),
}
_OF_NUMBERS: Final = {
    "+15005550101": ("delivered", _AT_ONCE),
    "+15005550102": ("undelivered", _AT_ONCE),
    "+15005550103": ("stop", _AT_ONCE),
    "+15005550104": ("delivered", LATE),
}
MAGIC: Final = (
    (
        "bounce@…, soft-bounce@…, complain@…, delivered@…",
        "what the button of that name does; bounce+anything@… works too",
    ),
    ("late@…", "delivered, ten minutes later"),
    ("+1 500 555 0101, 0102, 0103", "delivered, undelivered, STOP"),
    ("+1 500 555 0104", "delivered, ten minutes later"),
    ("device tokens that begin with unregistered-", "refused by FCM, as if the app had been removed"),
)
"""Recipients, and what becomes of what they are sent."""


def events_of(item: Item) -> tuple[Event, ...]:
    """What can be played for a message; nothing where no simulator of a provider that calls back took it."""
    if isinstance(item, ShortMessage) and item.provider == "twilio" and not item.provider_id.startswith("SM"):
        return ()  # a code of Verify, which tells of none
    return _EVENTS.get(item.provider, ())


def magic_of(item: Item) -> tuple[str, float] | None:
    """What becomes of a message by itself, and after how many seconds."""
    if isinstance(item, Mail):
        name = (item.meant_for or next(iter(item.envelope_to), "")).rpartition("@")[0].partition("+")[0]
        return _OF_MAIL.get(name.lower()) if item.provider else None
    return _OF_NUMBERS.get(item.to) if item.channel == "sms" else None
