"""Confirm a new address for an account."""

from typing import ClassVar, Final

from singr_comms.catalogue import EXAMPLE_LINK, Code, EmailText, ExpiryHours, HttpUrl, Message, MessageType


class EmailChange(Message, tag="email_change", frozen=True, kw_only=True):
    """Confirm a new address for an account, in the session that requested it; the reader may know nothing about it.

    Contains no text by the account's owner: the reader may be a stranger to them. `account` is the account's current
    address, masked (`mask_email`).
    """

    listed: ClassVar[int] = 20

    account: EmailText
    new_email: EmailText
    confirm_link: HttpUrl
    code: Code
    expiry_hours: ExpiryHours


MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="repeat",
    carries_code=True,
    category="account",
    email=EmailChange,
    examples=(
        lambda _name: EmailChange(
            account="j***@example.org",
            new_email="jane@example.net",
            confirm_link=EXAMPLE_LINK,
            code="042917",
            expiry_hours=24,
        ),
    ),
)
