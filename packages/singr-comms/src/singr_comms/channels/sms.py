"""Text messages."""

from typing import Final, Protocol, runtime_checkable

import msgspec

from singr_comms._masking import mask_phone
from singr_comms.channels._channel import Channel, SendReceipt
from singr_comms.models._fields import E164, Locale, TimeToLive, Token
from singr_comms.models._message import Message
from singr_comms.rendering._brand import OrganizationBrand
from singr_comms.rendering._segments import composed, sms_segments
from singr_comms.rendering._templates import DEFAULT_BRAND, render
from singr_config import BrandSettings


class SmsEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """One SMS on its way to a provider.

    Args:
        to: phone number in E.164 form.
        message: The message.
        idempotency_token: the same on every try of one message.
        locale: its reader's language, such as `de`; the same on every try.
        brand: of the organization, in place of the platform's; the same on every try.
        time_to_live: seconds from now after which it is of no use to its reader, and should not arrive any more; None
            where nobody knows. Another one on every try.
    """

    to: E164
    message: Message
    idempotency_token: Token
    locale: Locale | None = None
    brand: OrganizationBrand | None = None
    time_to_live: TimeToLive | None = None


@runtime_checkable
class SmsProvider(Protocol):
    """Delivers SMS; each member as `Provider` says."""

    @property
    def name(self) -> str:
        """Short, stable name."""

    @property
    def takes_idempotency_key(self) -> bool:
        """Whether it drops a second message with the same token."""

    async def send(self, envelope: SmsEnvelope) -> SendReceipt:
        """Send one message."""


class Sms(Channel[str, SmsEnvelope]):
    """Text messages: a phone number and a text."""

    name = "sms"
    listed = 2
    said = "SMS"
    texts = ("sms.txt",)
    recipient = E164
    such_as = "+15555550100"
    envelope = SmsEnvelope

    def address(self, to: str) -> str:
        """The number."""
        return to

    def masked(self, to: str) -> str:
        """`+1******0100`."""
        return mask_phone(to)

    def shown(self, message: Message, brand: BrandSettings, locale: str | None = None) -> tuple[str, str]:
        """What it would cost; the text."""
        text = render_sms(message, brand, locale)
        size = sms_segments(text)
        return f" ({size.encoding}, parts: {size.segments})", text

    def encoded(self, to: str) -> bytes:
        """The number as it is."""
        return to.encode()

    def decoded(self, stored: bytes) -> str:
        """The number as it was."""
        return stored.decode()


CHANNEL: Final = Sms()


def check_sms(envelope: SmsEnvelope) -> SmsEnvelope:
    """As `check_email`, for an SMS."""
    return CHANNEL.check(envelope)


def render_sms(message: Message, brand: BrandSettings = DEFAULT_BRAND, locale: str | None = None) -> str:
    """Render an SMS: at most 1,600 characters, composed (NFC); see `sms_segments` for what it costs.

    Args:
        message: The message.
        brand: whose message it is.
        locale: its reader's language; English where the type has no words in it.

    Raises:
        InvalidMessageError: a variable breaks its model.
    """
    [text] = render(message, brand, *CHANNEL.texts, locale=locale)
    return composed(text.strip())
