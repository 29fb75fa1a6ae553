"""Where the link of a mail leads by which its reader ends such mails. Opening it changes nothing: its button posts."""

from email import message_from_bytes
from email.message import Message
from typing import Final
from urllib.parse import parse_qs

from litestar import Response

from singr_api.admission.browser import AnyRequest
from singr_api.admission.call import AnonymousCall
from singr_api.admission.policy import Limit
from singr_api.http.problems import INVALID, NOT_FOUND, UNAVAILABLE, FieldError, invalid
from singr_api.routing.route import Section
from singr_api.wiring.reader_pages import BY_TOKEN, PAGE, reader_page
from singr_api.wiring.reader_words import Words, words_for
from singr_api.wiring.services import Services
from singr_comms.people import LinkReader, end_by_link, reader_of_mail
from singr_db import PlatformSession

_ASK: Final = """<h1>{unsubscribe}</h1>
<p>{ask}
{security}</p>
<form method="post">
<input type="hidden" name="List-Unsubscribe" value="One-Click">
<button type="submit">{unsubscribe}</button>
</form>
"""
_EVERYTHING: Final = """<form method="post">
<input type="hidden" name="everything" value="yes">
<button type="submit" class="quiet">{everything}</button>
</form>
"""
_CHOOSE: Final = """<p><a class="way" href="/preferences/{token}">{or_choose}</a></p>
"""
_DONE: Final = """<h1>{unsubscribed}</h1>
<p role="status">{done}
{done_where} {security}</p>
"""
_MOST_FIELDS: Final = 20
_MOST_BYTES: Final = 4096

pages = Section("Pages", problems=(NOT_FOUND, UNAVAILABLE))


@pages.route("GET /v1/unsubscribe/{token}", "unsubscribePage", PAGE, **BY_TOKEN)
async def ask(request: AnyRequest, services: Services, session: PlatformSession, token: str) -> Response[bytes]:
    """Page: unsubscribe from a category of an organization's messages.

    For people, in their language. It has one button and needs no script; opening it changes nothing, so mail scanners
    may follow the link.
    """
    reader = await reader_of_mail(session, services.sealer, token)
    return _page(request, services, reader, token, _ASK, everything=reader.category is None)


# Those who post for readers, as providers of mailboxes do, come many from a few addresses: a forged link costs a hash.
@pages.route(
    "POST /v1/unsubscribe/{token}",
    "unsubscribe",
    PAGE,
    limit=Limit.NONE,
    unguessable=True,
    any_origin=True,
    problems=(INVALID,),
    **BY_TOKEN,
)
async def end(
    request: AnyRequest, services: Services, session: PlatformSession, call: AnonymousCall, token: str
) -> Response[bytes]:
    """Unsubscribe from a category of an organization's messages.

    One-click unsubscribe (RFC 8058): without cookies, sign-in, redirect or idempotency key; repeating it changes
    nothing. The body is the form `List-Unsubscribe=One-Click`, URL-encoded or multipart. It ends the category that the
    link names for the address that the mail went to, whichever recipients have it, by a suppression, and for the
    recipient of the mail also as a choice. Links from before categories existed, and `everything=yes`, end everything
    that the organization sends in its own name. Messages about accounts and security are still sent.
    """
    reader = await reader_of_mail(session, services.sealer, token)
    asked = _form(call.body, request.headers.get("content-type", ""))
    wants_nothing = asked.get("everything") == "yes"
    if not wants_nothing and asked.get("List-Unsubscribe") != "One-Click":
        raise invalid(FieldError("List-Unsubscribe", "must be One-Click, in a form (RFC 8058)", "body", "required"))
    everything = reader.category is None or wants_nothing
    await end_by_link(session, services.sealer, token, everything=everything)
    return _page(request, services, reader, token, _DONE, everything=everything)


def _form(body: bytes, content_type: str) -> dict[str, str]:
    """The fields of a form that hold one value, whichever way it is written; none of what is no form."""
    if len(body) > _MOST_BYTES:
        return {}
    if content_type.lower().startswith("multipart/form-data"):
        whole = message_from_bytes(f"content-type: {content_type}\r\n\r\n".encode("latin-1", "replace") + body)
        parts = [part for part in whole.walk() if not part.is_multipart()][:_MOST_FIELDS]
        return {str(part.get_param("name", header="content-disposition")): _text(part) for part in parts}
    try:
        fields = parse_qs(body.decode("latin-1"), max_num_fields=_MOST_FIELDS)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items() if len(values) == 1}


def _text(part: Message) -> str:
    held = part.get_payload(decode=True)
    return held.decode("latin-1") if isinstance(held, bytes) else ""


def _page(
    request: AnyRequest, services: Services, reader: LinkReader, token: str, content: str, *, everything: bool
) -> Response[bytes]:
    words = words_for(reader.locale, request.headers.get("accept-language"), reader.sender.locale)
    is_done = content is _DONE
    content += _EVERYTHING if is_done and not everything else ""
    content += "" if reader.holder is None else _CHOOSE.replace("{token}", token)
    page = _filled(content, words, "" if everything else "_category")
    title = words["unsubscribed" if is_done else "unsubscribe"]
    category = words.category(reader.category or "general", reader.category_names)
    return reader_page(services, words, title, page, reader.sender, category=category)


def _filled(content: str, words: Words, about: str) -> str:
    for name in ("ask", "done"):
        content = content.replace(f"{{{name}}}", words[f"{name}{about}"])
    for name in ("unsubscribe", "unsubscribed", "everything", "done_where", "security", "or_choose"):
        content = content.replace(f"{{{name}}}", words[name])
    return content
