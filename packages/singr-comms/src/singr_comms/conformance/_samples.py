"""Messages that the suite sends, by channel."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from singr_comms.channels.email import EmailAddress, EmailEnvelope
from singr_comms.channels.push import PushEnvelope
from singr_comms.channels.sms import SmsEnvelope
from singr_comms.messages.plain import PlainPush, PlainSms
from singr_comms.messages.song_request import SongRequest

CANARY: Final = "Conformance 7f3a"
_EMAIL: Final = "jane.conformance@example.org"
_PHONE: Final = "+254712345678"
_DEVICE: Final = "conformance-device:0123456789"
RECIPIENTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"email": (_EMAIL,), "sms": (_PHONE, _PHONE.removeprefix("+")), "push": (_DEVICE,)}
)


def envelope(channel: str, token: str, text: str) -> Any:
    """A message with this token and text; KeyError: of a channel that is not ours.

    An e-mail has no text of lines: there the first line stands for its title.
    """
    line = text.splitlines()[0]
    if channel == "email":
        song = SongRequest(venue_name=line, artist="A", title="T", link="https://singr.example/requests")
        return EmailEnvelope(to=EmailAddress(_EMAIL, "Jane"), message=song, idempotency_token=token)
    if channel == "sms":
        return SmsEnvelope(to=_PHONE, message=PlainSms(text=text), idempotency_token=token)
    if channel == "push":
        return PushEnvelope(to=_DEVICE, message=PlainPush(title="T", text=text), idempotency_token=token)
    raise KeyError(channel)
