"""An account moved to another address."""

from typing import ClassVar, Final

from singr_comms.catalogue import (
    EXAMPLE_LINK,
    DeviceName,
    EmailText,
    ExpiryDays,
    HttpUrl,
    IpAddress,
    Message,
    MessageType,
    Moment,
    PersonName,
)


class EmailChanged(Message, tag="email_changed", frozen=True, kw_only=True):
    """An account's address was changed (masked): tells the previous address, with a link that undoes the change."""

    listed: ClassVar[int] = 30

    user_name: PersonName
    new_email: EmailText
    occurred_at: Moment
    undo_link: HttpUrl
    expiry_days: ExpiryDays
    ip_address: IpAddress | None = None
    device: DeviceName | None = None


MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="repeat",
    carries_code=True,
    concerns_security=True,
    category="account",
    email=EmailChanged,
    examples=(
        lambda user="Jane Doe", device="Firefox on Windows": EmailChanged(
            user_name=user,
            new_email="j***@example.net",
            occurred_at="2026-11-22T18:05Z",
            undo_link=EXAMPLE_LINK,
            expiry_days=7,
            ip_address="203.0.113.7",
            device=device,
        ),
    ),
)
