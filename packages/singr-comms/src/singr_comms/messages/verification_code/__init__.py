"""Confirm a phone number."""

from typing import ClassVar, Final

from singr_comms.catalogue import Code, ExpiryMinutes, Message, MessageType


class VerificationCodeSms(Message, tag="verification_code", frozen=True, kw_only=True):
    """Confirm a phone number."""

    listed: ClassVar[int] = 10

    code: Code
    expiry_minutes: ExpiryMinutes


MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="repeat",
    carries_code=True,
    category="account",
    sms=VerificationCodeSms,
    examples=(lambda _name: VerificationCodeSms(code="042917", expiry_minutes=5),),
)
