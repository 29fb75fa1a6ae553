"""Choose a new password."""

from typing import ClassVar, Final

from singr_comms.catalogue import EXAMPLE_LINK, ExpiryMinutes, HttpUrl, Message, MessageType, PersonName, ShortHttpUrl


class PasswordReset(Message, tag="password_reset", frozen=True, kw_only=True):
    """Choose a new password."""

    listed: ClassVar[int] = 40

    user_name: PersonName
    reset_link: HttpUrl
    expiry_minutes: ExpiryMinutes


class PasswordResetSms(Message, tag="password_reset", frozen=True, kw_only=True):
    """Choose a new password."""

    reset_link: ShortHttpUrl
    expiry_minutes: ExpiryMinutes


MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="repeat",
    carries_code=True,
    category="account",
    email=PasswordReset,
    sms=PasswordResetSms,
    default_channels=("email",),
    examples=(
        lambda user="Jane Doe": PasswordReset(user_name=user, reset_link=EXAMPLE_LINK, expiry_minutes=60),
        lambda _name: PasswordResetSms(reset_link=EXAMPLE_LINK, expiry_minutes=60),
    ),
)
