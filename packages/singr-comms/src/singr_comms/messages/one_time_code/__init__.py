"""A one-time code for any purpose."""

from typing import Final

from singr_comms.catalogue import Code, ExpiryMinutes, Message, MessageType


class OneTimeCodeSms(Message, tag="one_time_code", frozen=True, kw_only=True):
    """A one-time code for any purpose."""

    code: Code
    expiry_minutes: ExpiryMinutes


MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="repeat",
    carries_code=True,
    category="account",
    sms=OneTimeCodeSms,
    examples=(lambda _name: OneTimeCodeSms(code="042917", expiry_minutes=5),),
)
