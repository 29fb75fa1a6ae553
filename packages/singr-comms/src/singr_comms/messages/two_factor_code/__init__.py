"""A second-factor code."""

from typing import ClassVar, Final

from singr_comms.catalogue import Code, ExpiryMinutes, Message, MessageType, PersonName


class TwoFactorCode(Message, tag="two_factor_code", frozen=True, kw_only=True):
    """A second-factor code."""

    listed: ClassVar[int] = 60

    user_name: PersonName
    code: Code
    expiry_minutes: ExpiryMinutes


class TwoFactorCodeSms(Message, tag="two_factor_code", frozen=True, kw_only=True):
    """A second-factor code."""

    listed: ClassVar[int] = 20

    code: Code
    expiry_minutes: ExpiryMinutes


MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="repeat",
    carries_code=True,
    category="account",
    email=TwoFactorCode,
    sms=TwoFactorCodeSms,
    examples=(
        lambda user="Jane Doe": TwoFactorCode(user_name=user, code="735104", expiry_minutes=5),
        lambda _name: TwoFactorCodeSms(code="735104", expiry_minutes=5),
    ),
)
