"""Text as it is."""

from typing import ClassVar, Final

from singr_comms.catalogue import Message, MessageType, PlainText


class PlainSms(Message, tag="plain", frozen=True, kw_only=True):
    """Text as it is."""

    listed: ClassVar[int] = 50

    text: PlainText


MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="settle",
    speaks_for="organization",
    sms=PlainSms,
    examples=(lambda name: PlainSms(text=name),),
)
