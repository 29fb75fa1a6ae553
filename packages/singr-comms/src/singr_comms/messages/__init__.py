"""Every type of message of ours, each in a folder of its own: its models, its words for each channel, its examples.

A folder that is put here is in the catalogue; it is listed nowhere else.
"""

from typing import TYPE_CHECKING, Final, TypeAlias

from singr_comms._collect import collected
from singr_comms.catalogue import Message, MessageType, message_types

message_types.add(*collected(__name__, "MESSAGE_TYPE", MessageType))  # their words are rendered by tests, not here

CODE_KINDS: Final = frozenset(one.name for one in message_types if one.carries_code)
"""Kinds that carry a code or a one-time link: safe to send twice, useless when they never arrive, secret in logs."""

SECURITY_KINDS: Final = frozenset(one.name for one in message_types if one.concerns_security)
"""Kinds that must reach their reader: no limit per user holds them back, and twice is better than never."""

if TYPE_CHECKING:  # a service adds types of its own, so whoever takes one message takes any
    EmailMessage: TypeAlias = Message
    SmsMessage: TypeAlias = Message
    PushMessage: TypeAlias = Message
else:
    EmailMessage = message_types.union("email")
    """Every e-mail of ours, told apart by `kind`."""
    SmsMessage = message_types.union("sms")
    """Every SMS of ours, told apart by `kind`."""
    PushMessage = message_types.union("push")
    """Every push of ours, told apart by `kind`."""
