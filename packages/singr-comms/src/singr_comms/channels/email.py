"""E-mail."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol, runtime_checkable

import msgspec

from singr_comms._errors import InvalidMessageError, SendError
from singr_comms._masking import mask_email
from singr_comms.channels._channel import Channel, SendReceipt
from singr_comms.models._fields import EmailText, Locale, PersonName, ShortHttpUrl, Token
from singr_comms.models._message import Message
from singr_comms.rendering._brand import OrganizationBrand
from singr_comms.rendering._templates import DEFAULT_BRAND, one_line, render
from singr_config import BrandSettings

MEANT_FOR: Final = "X-Singr-Meant-For"
"""The header that names the address of a mail that goes to another one."""


class EmailAddress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mailbox.

    Args:
        email: address, at most 254 ASCII characters.
        name: Display name, or None.
    """

    email: EmailText
    name: PersonName | None = None


class EmailEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """One e-mail on its way to a provider.

    Args:
        to: the only recipient.
        message: What to say; the provider renders it, or passes its variables to a template of its own.
        idempotency_token: the same on every try of one message; goes out as Message-ID or custom id.
        unsubscribe: where a POST ends such mails (RFC 8058); None for what nobody unsubscribes from.
        choices: where its reader chooses what they get: at the foot of the mail, in place of `unsubscribe`; None where
            they have nothing to choose.
        meant_for: whose mail it is, where it goes to somebody else while developing (`EMAIL_REDIRECT_TO`).
        locale: its reader's language, such as `de`; the same on every try.
        brand: of the organization, in place of the platform's; the same on every try.
    """

    to: EmailAddress
    message: Message
    idempotency_token: Token
    unsubscribe: ShortHttpUrl | None = None
    choices: ShortHttpUrl | None = None
    meant_for: EmailText | None = None
    locale: Locale | None = None
    brand: OrganizationBrand | None = None


@runtime_checkable
class EmailProvider(Protocol):
    """Delivers e-mail; each member as `Provider` says."""

    @property
    def name(self) -> str:
        """Short, stable name."""

    @property
    def takes_idempotency_key(self) -> bool:
        """Whether it drops a second message with the same token."""

    async def send(self, envelope: EmailEnvelope) -> SendReceipt:
        """Send one message."""


@runtime_checkable
class BulkEmailProvider(EmailProvider, Protocol):
    """Delivers many e-mails in few calls."""

    async def send_many(self, envelopes: Sequence[EmailEnvelope]) -> list[SendReceipt | SendError]:
        """Send all; the outcomes come in the order of the envelopes, one each, and are not raised."""


def list_headers(envelope: EmailEnvelope) -> dict[str, str]:
    """The headers by which mail programs offer to unsubscribe (RFC 2369, RFC 8058); the same on every try.

    And whom the mail is meant for, where it goes to somebody else.
    """
    headers = {} if envelope.meant_for is None else {MEANT_FOR: envelope.meant_for}
    if envelope.unsubscribe is None:
        return headers
    one_click = {"List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    return headers | {"List-Unsubscribe": f"<{envelope.unsubscribe}>"} | one_click


def headline(subject: str, meant_for: str | None) -> str:
    """A subject; behind the address that the mail is meant for, where it goes to somebody else."""
    return subject if meant_for is None else one_line(f"[to {meant_for}] {subject}")


def sender_of(envelope: EmailEnvelope, sender: EmailAddress) -> EmailAddress:
    """Whom a mail says that it comes from: the organization, by name; the address stays the platform's."""
    name = envelope.brand.sender if envelope.brand else ""
    return EmailAddress(sender.email, name) if name else sender


class RenderedEmail(msgspec.Struct, frozen=True):
    """An e-mail in words.

    Args:
        subject: one line of at most 200 characters, without control characters. What people typed is shown as it is,
            but for characters that cannot be seen or that turn the direction of the rest; so in all three.
        text: plain text, lines separated by a line feed.
        html: a complete HTML document; every variable in it is escaped.
    """

    subject: str
    text: str
    html: str


class Email(Channel[EmailAddress, EmailEnvelope]):
    """E-mail: an address with a name, a subject, a text and a page."""

    name = "email"
    listed = 1
    said = "e-mail"
    texts = ("email.subject.txt", "email.txt", "email.html")
    recipient = EmailAddress
    such_as = "jane@example.org"
    envelope = EmailEnvelope

    def address(self, to: EmailAddress) -> str:
        """The address without its name."""
        return to.email

    def to(self, address: str) -> EmailAddress:
        """The mailbox of an address, without a name."""
        return msgspec.convert({"email": address}, EmailAddress)

    def masked(self, to: EmailAddress) -> str:
        """`j***@example.org`."""
        return mask_email(to.email)

    def shown(self, message: Message, brand: BrandSettings, locale: str | None = None) -> tuple[str, str]:
        """The subject and the text."""
        rendered = render_email(message, brand, locale)
        return "", f"{rendered.subject}\n{rendered.text}"

    def names(self, to: EmailAddress) -> Mapping[str, str]:
        """The display name, where there is one."""
        return {} if to.name is None else {"to.name": to.name}

    def check(self, envelope: EmailEnvelope) -> EmailEnvelope:
        """As for any channel; an address that some programs would read as another one is refused too."""
        envelope = super().check(envelope)
        if "=?" in envelope.to.email + (envelope.meant_for or ""):
            raise InvalidMessageError(
                "to.email", "must not contain =? (some mail programs would read another address there)"
            )
        return envelope


CHANNEL: Final = Email()


def check_email(envelope: EmailEnvelope) -> EmailEnvelope:
    """Check every bound of an envelope that was made in Python.

    Raises:
        InvalidMessageError: names the first variable that breaks its model.
    """
    return CHANNEL.check(envelope)


def render_envelope(envelope: EmailEnvelope, brand: BrandSettings = DEFAULT_BRAND) -> RenderedEmail:
    """Render what an envelope says, as `render_email` does, with the link at its foot."""
    links = {"choices": envelope.choices, "unsubscribe": envelope.unsubscribe}
    return render_email(envelope.message, envelope.brand or brand, envelope.locale, **links)


def render_email(
    message: Message,
    brand: BrandSettings = DEFAULT_BRAND,
    locale: str | None = None,
    *,
    choices: str | None = None,
    unsubscribe: str | None = None,
) -> RenderedEmail:
    """Render a message with the texts of its type.

    Args:
        message: The message.
        brand: whose message it is.
        locale: its reader's language; English where the type has no words in it.
        choices: where its reader chooses what they get; told at its foot.
        unsubscribe: where they end such mails; told where there is nothing to choose.

    Raises:
        InvalidMessageError: a variable breaks its model.
    """
    subject, text, html = render(
        message, brand, *CHANNEL.texts, locale=locale, choices=choices, unsubscribe=unsubscribe
    )
    return RenderedEmail(subject=one_line(subject), text=text.strip() + "\n", html=html.strip() + "\n")
