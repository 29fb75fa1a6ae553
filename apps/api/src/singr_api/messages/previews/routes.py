"""Messages as their readers would get them, sent to nobody."""

from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Response

from singr_api.admission.browser import AnyRequest
from singr_api.admission.call import Call, named_by, organization_of
from singr_api.admission.policy import Access
from singr_api.http.negotiation import preferred
from singr_api.http.problems import FieldError, invalid
from singr_api.messages.previews.schemas import AskPreview, PreviewQuery
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section
from singr_api.wiring.services import Services
from singr_comms import InvalidDataError, Message, Preview, UnknownTypeError, message_from, preview

_JSON: Final = "application/json"
_HTML: Final = "text/html"
# What is shown is a mail: it runs nothing, loads nothing but pictures, and opens no frame of ours.
_CSP: Final = (
    "sandbox; default-src 'none'; img-src https: data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
_ASKED: Final[dict[str, Any]] = {
    "type": "order_ready",
    "channel": "sms",
    "data": {
        "farm_name": "Willow Creek Farm",
        "order_number": "A-1042",
        "pickup_place": "Market Hall, stall 7",
        "link": "https://singrkaraoke.com/orders/1042",
    },
}
_TEXT: Final = (
    "Willow Creek Farm: your order A-1042 is ready. Pick it up at Market Hall, stall 7."
    " https://singrkaraoke.com/orders/1042"
)
_SHOWN: Final[dict[str, Any]] = {
    "type": "order_ready",
    "channel": "sms",
    "locale": "en",
    "fell_back": False,
    "subject": None,
    "text": _TEXT,
    "html": None,
    "link": None,
    "segments": {"encoding": "GSM-7", "units": len(_TEXT), "segments": 1},
    "bytes": len(_TEXT),
}

previews = Section("Notifications", access=Access.CALLER, scope="notifications:read")


@previews.route(
    "POST /v1/notifications/preview",
    "previewNotification",
    Answer("The message as its reader would get it.", of=Preview, also=(_HTML,), sms=Example("A text message", _SHOWN)),
    body_examples={"sms": Example("A text message", _ASKED)},
    asks=True,
)
async def show(
    request: AnyRequest, services: Services, call: Call, query: PreviewQuery, body: AskPreview
) -> Response[bytes]:
    """Preview a message.

    Nothing is sent or stored. Invalid variables are reported at `data.NAME`, all at once, and so are links that the
    organization could not send. The preview uses the organization's branding and texts as they will be once all pending
    changes are in force. `fell_back` says that the type has no text in the requested language: the message is then in
    the organization's (`locale` of `PUT /v1/branding`) or else in English, as it would be sent. With
    `Accept: text/html` the response is the HTML page of the e-mail, or the text of another message on a page.
    """
    named = named_by(call, query.organization_id)
    is_platforms = named is None and call.principal.organization_id is None
    shown = await _shown(services, None if is_platforms else organization_of(call, named), body)
    headers = {"cache-control": "no-store", "vary": "accept"}
    if preferred(request.headers.get("accept", ""), (_JSON, _HTML)) == _HTML:
        return Response(shown.page().encode(), media_type=_HTML, headers=headers | {"content-security-policy": _CSP})
    return Response(msgspec.json.encode(shown), media_type=_JSON, headers=headers)


async def _shown(services: Services, organization_id: UUID | None, body: AskPreview) -> Preview:
    message = _message(body)
    if organization_id is None:
        return preview(message, locale=body.locale, brand=services.brand)
    _require_allowed(services, body.channel, message)
    async with services.db.tenant(organization_id) as session:
        ours = await services.brands.locale(session, body.type)
        shown = preview(message, locale=body.locale, organization_locale=ours, brand=services.brand)
        brand = await services.brands.shown(session, body.type, body.channel, shown.locale)
    if brand is None:
        return shown
    return preview(message, locale=body.locale, organization_locale=ours, brand=brand)


def _require_allowed(services: Services, channel: str, message: Message) -> None:
    """Return where an organization could send this; what only the platform sends may be looked at all the same."""
    if message.speaks_for != "organization":
        return
    refusals = list(services.message_intake.refusals(channel, message))
    if refusals:
        raise invalid(*(FieldError(f"data.{name}", words, "body", code) for name, words, code in refusals))


def _message(body: AskPreview) -> Message:
    try:
        return message_from(body.type, body.channel, body.data)
    except UnknownTypeError as error:
        raise invalid(FieldError(error.field, error.message, "body", "unknown_value")) from None
    except InvalidDataError as error:
        faults = [(path, words, error.codes[path]) for path, words in error.faults.items()]
        raise invalid(*(FieldError(f"data.{path}", words, "body", code) for path, words, code in faults)) from None
