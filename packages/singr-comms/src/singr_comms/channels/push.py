"""Push notifications to a device."""

import unicodedata
from typing import Final, Protocol, runtime_checkable

import msgspec

from singr_comms._errors import InvalidMessageError
from singr_comms.channels._channel import Channel, SendReceipt
from singr_comms.models._fields import DeviceToken, Locale, TimeToLive, Token
from singr_comms.models._message import Message
from singr_comms.rendering._brand import OrganizationBrand
from singr_comms.rendering._inert import is_link
from singr_comms.rendering._languages import END, ISOLATE
from singr_comms.rendering._templates import DEFAULT_BRAND, one_line, render
from singr_config import BrandSettings

_SHOWN: Final = 4
_LARGEST: Final = 4096
# Bytes of what goes along: the message's kind and id, and by what a copy replaces it.
_AROUND_IT: Final = 640
_ROOM: Final = _LARGEST - _AROUND_IT
_SURELY_FITS: Final = 1024
_CUT: Final = "…"
_JOINER: Final = "\u200d"


class PushEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """One push on its way to a provider.

    Args:
        to: registration token of the device.
        message: The message.
        idempotency_token: the same on every try of one message; a device that gets it twice shows it once.
        locale: its reader's language, such as `de`; the same on every try.
        brand: of the organization, in place of the platform's; the same on every try.
        time_to_live: seconds from now after which it is of no use to its reader, and should not arrive any more; None
            where nobody knows. Another one on every try.
    """

    to: DeviceToken
    message: Message
    idempotency_token: Token
    locale: Locale | None = None
    brand: OrganizationBrand | None = None
    time_to_live: TimeToLive | None = None


@runtime_checkable
class PushProvider(Protocol):
    """Delivers pushes; each member as `Provider` says."""

    @property
    def name(self) -> str:
        """Short, stable name."""

    @property
    def takes_idempotency_key(self) -> bool:
        """Whether a second message with the same token is dropped, or replaces the first."""

    async def send(self, envelope: PushEnvelope) -> SendReceipt:
        """Send one message."""


class RenderedPush(msgspec.Struct, frozen=True):
    """A push in words.

    Args:
        title: one line.
        body: plain text.
        link: where a tap leads; None where the message has no link.
    """

    title: str
    body: str
    link: str | None = None


class Push(Channel[str, PushEnvelope]):
    """Push notifications: the token of a device, a title and a text."""

    name = "push"
    listed = 3
    said = "push"
    texts = ("push.title.txt", "push.txt")
    recipient = DeviceToken
    such_as = "the registration token that Firebase gave the app"
    envelope = PushEnvelope

    def address(self, to: str) -> str:
        """The token."""
        return to

    def masked(self, to: str) -> str:
        """`device …Qx3f`: enough to tell two apart, and of no use to send with."""
        return f"device …{to[-_SHOWN:]}" if len(to) > 3 * _SHOWN else "device …"

    def shown(self, message: Message, brand: BrandSettings, locale: str | None = None) -> tuple[str, str]:
        """The title and the text."""
        rendered = render_push(message, brand, locale)
        return "", f"{rendered.title}\n{rendered.body}"

    def check_size(self, message: Message) -> None:
        """Refuse what does not fit into the 4,096 bytes of a push, as its reader would see it."""
        if len(msgspec.json.encode(message)) <= _SURELY_FITS:
            return
        if _size(_rendered(message, DEFAULT_BRAND, None)) > _ROOM:
            raise InvalidMessageError(
                "", f"must be shorter: a push has at most {_LARGEST} bytes, including everything sent with it"
            )

    def encoded(self, to: str) -> bytes:
        """The token as it is."""
        return to.encode()

    def decoded(self, stored: bytes) -> str:
        """The token as it was."""
        return stored.decode()


CHANNEL: Final = Push()


def check_push(envelope: PushEnvelope) -> PushEnvelope:
    """As `check_email`, for a push."""
    return CHANNEL.check(envelope)


def render_push(message: Message, brand: BrandSettings = DEFAULT_BRAND, locale: str | None = None) -> RenderedPush:
    """Render a push, in 4,096 bytes with all that goes along.

    A message was taken where its type's words in English fit. Those of another language, or an organization's own,
    may be longer: they are cut then, and end with an ellipsis.

    Args:
        message: What to say; its variable `link`, or the one whose name ends so, is where a tap leads.
        brand: whose message it is.
        locale: its reader's language; English where the type has no words in it.

    Raises:
        InvalidMessageError: a variable breaks its model.
    """
    rendered = _rendered(message, brand, locale)
    if _size(rendered) <= _ROOM:
        return rendered
    room = _ROOM - _size(RenderedPush("", "", rendered.link))
    title = _fitting(rendered.title, room // 2)
    return RenderedPush(title, _fitting(rendered.body, room - _bytes(title)), rendered.link)


def _rendered(message: Message, brand: BrandSettings, locale: str | None) -> RenderedPush:
    title, body = render(message, brand, *CHANNEL.texts, locale=locale)
    link = next((getattr(message, name) for name in message.__struct_fields__ if is_link(name)), None)
    return RenderedPush(one_line(title), body.strip(), link)


def _size(rendered: RenderedPush) -> int:
    return len(msgspec.json.encode((rendered.title, rendered.body, rendered.link, rendered.link)))


def _bytes(text: str) -> int:
    return len(msgspec.json.encode(text)) - len('""')


def _fitting(text: str, room: int) -> str:
    """A text, or as much of it as has room in so many bytes, with an ellipsis at its end."""
    if _bytes(text) <= room:
        return text
    left = room - _bytes(_CUT) - _bytes(END)
    kept = 0
    while kept < len(text) and (left := left - _bytes(text[kept])) >= 0:
        kept += 1
    while kept and (_belongs_to_the_one_before(text[kept]) or text[kept - 1] == _JOINER):  # one sign of several letters
        kept -= 1
    cut = text[:kept].rstrip()
    is_open = cut.count(ISOLATE) > cut.count(END)
    return f"{cut}{_CUT}{END if is_open else ''}"


def _belongs_to_the_one_before(character: str) -> bool:
    return character == _JOINER or unicodedata.category(character)[0] == "M"
