"""Types of message: what one consists of, and which there are.

What a type's folder imports to declare itself: `Message`, `MessageType`, and the types of its variables.
"""

from singr_comms.catalogue._catalogue import MessageTypes, message_types
from singr_comms.catalogue._categories import named_in
from singr_comms.catalogue._treatment import Quiet
from singr_comms.catalogue._type import EXAMPLE_LINK, INBOX, MessageType
from singr_comms.models._fields import (
    E164,
    Amount,
    Code,
    Count,
    DeviceName,
    DeviceToken,
    EmailText,
    ExpiryDays,
    ExpiryHours,
    ExpiryMinutes,
    HttpUrl,
    IpAddress,
    LocalDateTime,
    LocalDay,
    LongText,
    Moment,
    PersonName,
    PlainText,
    PushText,
    Rating,
    Reference,
    ShortHttpUrl,
    Title,
)
from singr_comms.models._message import Message
from singr_comms.rendering._templates import forget_texts

__all__ = [
    "E164",
    "EXAMPLE_LINK",
    "INBOX",
    "Amount",
    "Code",
    "Count",
    "DeviceName",
    "DeviceToken",
    "EmailText",
    "ExpiryDays",
    "ExpiryHours",
    "ExpiryMinutes",
    "HttpUrl",
    "IpAddress",
    "LocalDateTime",
    "LocalDay",
    "LongText",
    "Message",
    "MessageType",
    "MessageTypes",
    "Moment",
    "PersonName",
    "PlainText",
    "PushText",
    "Quiet",
    "Rating",
    "Reference",
    "ShortHttpUrl",
    "Title",
    "forget_texts",
    "message_types",
    "named_in",
]
