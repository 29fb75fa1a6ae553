"""The code that opens a locker."""

from typing import Final

from singr_comms.catalogue import Code, ExpiryHours, Message, MessageType


class PickupCode(Message, tag="pickup_code", frozen=True, kw_only=True):
    """The code that opens a locker."""

    code: Code
    expiry_hours: ExpiryHours


def _sms(_name: str) -> PickupCode:
    return PickupCode(code="042917", expiry_hours=24)


MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="repeat",  # the same code twice does no harm, and without it nobody gets at their parcel
    carries_code=True,
    sms=PickupCode,
    examples=(_sms,),
)
