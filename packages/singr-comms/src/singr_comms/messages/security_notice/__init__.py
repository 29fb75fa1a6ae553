"""Something about an account changed, or somebody tried. The words of each event are in `events.txt`."""

from typing import ClassVar, Final

from singr_comms.catalogue import EXAMPLE_LINK, DeviceName, HttpUrl, IpAddress, Message, MessageType, Moment, PersonName
from singr_config.constants import SecurityEvent


class SecurityNotice(Message, tag="security_notice", frozen=True, kw_only=True):
    """An account was changed, or somebody tried to: says when, from where, and what to do about it."""

    listed: ClassVar[int] = 90

    user_name: PersonName
    event: SecurityEvent
    occurred_at: Moment
    link: HttpUrl
    ip_address: IpAddress | None = None
    device: DeviceName | None = None


MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="repeat",
    concerns_security=True,
    category="account",
    email=SecurityNotice,
    examples=(
        lambda user="Jane Doe", device="Firefox on Windows": SecurityNotice(
            user_name=user,
            event="new_device",
            occurred_at="2026-11-22T18:05Z",
            link=EXAMPLE_LINK,
            ip_address="203.0.113.7",
            device=device,
        ),
        lambda user="Jane Doe": SecurityNotice(
            user_name=user, event="password_changed", occurred_at="2026-11-22T18:05Z", link=EXAMPLE_LINK
        ),
    ),
)
