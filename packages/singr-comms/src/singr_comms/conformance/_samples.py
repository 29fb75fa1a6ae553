"""Messages that the suite sends, by channel."""

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


def of_somebody_else(recipient: str) -> str:
    """One like it, and of the same length, that is another's: its last sign differs."""
    return recipient[:-1] + ("0" if recipient[-1] != "0" else "1")
