"""What a message would look like and cost, sent to nobody. Pure: nothing is read but the type's own words."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from singr_comms._errors import InvalidMessageError
from singr_comms.catalogue import Message, MessageTypes, message_types
from singr_comms.catalogue._filling import filled
from singr_comms.channels import CHANNELS
from singr_comms.channels.email import render_email
from singr_comms.channels.push import PushEnvelope, render_push
from singr_comms.channels.sms import render_sms
from singr_comms.providers.fcm import compose
from singr_comms.rendering._brand import OrganizationBrand
from singr_comms.rendering._segments import SmsSegments, sms_segments
from singr_comms.rendering._templates import DEFAULT_BRAND, language_of, page_of
from singr_config import BrandSettings

_TOKEN: Final = "x" * 64  # of no device: a push is measured without it
_KEY: Final = "0" * 32


class UnknownTypeError(InvalidMessageError):
    """There is no such type, or it does not travel by that channel; `field` is `type` or `channel`."""


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """A rendered message.

    Attributes:
        type: its type.
        channel: by what it would travel.
        locale: the language of its text.
        fell_back: whether its type has no text in the requested language.
        subject: the subject of an e-mail; the title of a push.
        text: the text shown to the reader; for an e-mail the plain text part.
        html: the HTML part of an e-mail.
        link: where a tap on a push leads.
        segments: for an SMS: its encoding, its length in that encoding, and the number of billed parts.
        bytes: its size in UTF-8: for an e-mail both parts, for a push everything that counts towards the limit of
            4,096, for an SMS its text.
    """

    type: str
    channel: str
    locale: str
    fell_back: bool
    subject: str | None = None
    text: str
    html: str | None = None
    link: str | None = None
    segments: SmsSegments | None = None
    bytes: int

    def page(self) -> str:
        """As a page: the e-mail's own, or one that shows the text of another message."""
        return self.html or page_of(self.text, title=self.type, heading=self.subject, locale=self.locale)


def message_from(
    kind: str, channel: str, data: Mapping[str, Any], *, catalogue: MessageTypes = message_types
) -> Message:
    """Make a message of a type's name, a channel and its variables as JSON has them.

    What another channel of the type takes, and this one does not, is left out, as a notification by both has it.

    Raises:
        UnknownTypeError: there is no such type, or not on this channel; says which there are.
        InvalidDataError: names every variable that is missing, unknown or wrong.
    """
    declared = catalogue.named(kind)
    if declared is None:
        known = ", ".join(sorted(one.name for one in catalogue))
        raise UnknownTypeError("type", f"must be one of {known}")
    if channel not in declared.models:
        raise UnknownTypeError("channel", f"must be a channel of this type: {', '.join(sorted(declared.models))}")
    model = declared.models[channel]
    others = {name for one in declared.models.values() for name in one.__struct_fields__}
    others.difference_update(model.__struct_fields__)
    return filled(model, {name: value for name, value in data.items() if name not in others})


def preview(
    message: Message,
    *,
    locale: str | None = None,
    organization_locale: str | None = None,
    brand: BrandSettings = DEFAULT_BRAND,
    catalogue: MessageTypes = message_types,
) -> Preview:
    """Show a message as its reader would get it.

    Args:
        message: of a model of a declared type; the model says by which channel.
        locale: its reader's language; where its type has no words in it, which `fell_back` says, the organization's,
            and English where it has none in that either, as it would be sent.
        organization_locale: the organization's language; its brand's, if it is left out.
        brand: whose message it is.
        catalogue: which types there are.

    Raises:
        InvalidMessageError: a variable breaks its model, or nobody has declared the message's type.
    """
    declared = catalogue.of(message)
    channel = next(name for name, model in declared.models.items() if model is type(message))
    others = organization_locale or (brand.locale if isinstance(brand, OrganizationBrand) else None)
    lang = language_of(type(message), CHANNELS[channel].texts, locale, others)
    asked = (locale or others or lang).replace("_", "-").partition("-")[0].lower()
    known: dict[str, Any] = {
        "type": declared.name,
        "channel": channel,
        "locale": lang,
        "fell_back": asked != lang.partition("-")[0],
    }
    return Preview(**known, **_SHOWN[channel](message, brand, lang))


def _email(message: Message, brand: BrandSettings, locale: str) -> dict[str, Any]:
    rendered = render_email(message, brand, locale)
    size = len(rendered.text.encode()) + len(rendered.html.encode())
    return {"subject": rendered.subject, "text": rendered.text, "html": rendered.html, "bytes": size}


def _sms(message: Message, brand: BrandSettings, locale: str) -> dict[str, Any]:
    text = render_sms(message, brand, locale)
    return {"text": text, "segments": sms_segments(text), "bytes": len(text.encode())}


def _push(message: Message, brand: BrandSettings, locale: str) -> dict[str, Any]:
    rendered = render_push(message, brand, locale)
    written = compose(PushEnvelope(to=_TOKEN, message=message, idempotency_token=_KEY, locale=locale), brand)
    size = len(msgspec.json.encode({name: value for name, value in written.items() if name != "token"}))
    return {"subject": rendered.title, "text": rendered.body, "link": rendered.link, "bytes": size}


_SHOWN: Final = {"email": _email, "sms": _sms, "push": _push}
