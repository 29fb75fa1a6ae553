"""Sign-in link by SMS."""

from typing import ClassVar, Final

from singr_comms.catalogue import (
    EXAMPLE_LINK,
    EmailText,
    ExpiryMinutes,
    HttpUrl,
    IpAddress,
    Message,
    MessageType,
    ShortHttpUrl,
)


class MagicLink(Message, tag="magic_link", frozen=True, kw_only=True):
    """Sign-in link by e-mail; names the network address that requested it."""

    listed: ClassVar[int] = 50

    user_email: EmailText
    magic_link: HttpUrl
    expiry_minutes: ExpiryMinutes
    ip_address: IpAddress


class MagicLinkSms(Message, tag="magic_link", frozen=True, kw_only=True):
    """Sign-in link by SMS."""

    listed: ClassVar[int] = 30

    magic_link: ShortHttpUrl
    expiry_minutes: ExpiryMinutes


MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="repeat",
    carries_code=True,
    category="account",
    email=MagicLink,
    sms=MagicLinkSms,
    examples=(
        lambda _name: MagicLink(
            user_email="jane@example.org", magic_link=EXAMPLE_LINK, expiry_minutes=15, ip_address="2001:db8::7"
        ),
        lambda _name: MagicLinkSms(magic_link=EXAMPLE_LINK, expiry_minutes=15),
    ),
)
