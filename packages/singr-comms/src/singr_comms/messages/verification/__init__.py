"""Confirm an e-mail address."""

from typing import ClassVar, Final

from singr_comms.catalogue import EXAMPLE_LINK, Code, ExpiryHours, HttpUrl, Message, MessageType, PersonName


class Verification(Message, tag="verification", frozen=True, kw_only=True):
    """Confirm an e-mail address, by link or by code."""

    listed: ClassVar[int] = 10

    user_name: PersonName
    verification_link: HttpUrl
    verification_code: Code
    expiry_hours: ExpiryHours


MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="repeat",
    carries_code=True,
    category="account",
    email=Verification,
    examples=(
        lambda user="Jane Doe": Verification(
            user_name=user, verification_link=EXAMPLE_LINK, verification_code="042917", expiry_hours=24
        ),
    ),
)
