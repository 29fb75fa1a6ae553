"""Where the link of a mail leads by which its reader ends such mails. Opening it changes nothing: its button posts."""

from typing import Final

from litestar import Response

from singr_api.admission.policy import Limit
from singr_api.http.problems import NOT_FOUND
from singr_api.routing.route import Section
from singr_api.wiring.reader_pages import BY_TOKEN, PAGE, reader_page
from singr_api.wiring.services import Services
from singr_comms.notifications import organization_of_link, unsubscribe
from singr_comms.people import RecipientNotFoundError, preferences_holder_of_link
from singr_db import PlatformSession

_ASK: Final = """<h1>Unsubscribe</h1>
<p>Press the button if you want no more mail from {sender}.
You will still get what concerns your account and its security.</p>
<form method="post">
<input type="hidden" name="List-Unsubscribe" value="One-Click">
<button type="submit">Unsubscribe</button>
</form>
"""
_CHOOSE: Final = """<p><a class="way" href="/preferences/{token}">Or choose what you get</a></p>
"""
_DONE: Final = """<h1>You are unsubscribed</h1>
<p>You will get no more mail from {sender}. What concerns your account and its security still reaches you.</p>
"""

pages = Section("Pages", problems=(NOT_FOUND,))


@pages.route("GET /v1/unsubscribe/{token}", "unsubscribePage", PAGE, **BY_TOKEN)
async def ask(services: Services, session: PlatformSession, token: str) -> Response[bytes]:
    """Page: end what an organization sends.

    For people. It has one button and needs no script; opening it changes nothing, so scanners of mail may.
    """
    sender = await organization_of_link(session, services.sealer, token)
    try:
        await preferences_holder_of_link(session, services.sealer, token)
    except RecipientNotFoundError:  # an address alone has nothing to choose
        return reader_page(services, "Unsubscribe", _ASK, sender)
    return reader_page(services, "Unsubscribe", _ASK + _CHOOSE.replace("{token}", token), sender)


# Those who post for readers, as providers of mailboxes do, come many from a few addresses: a forged link costs a hash.
@pages.route(
    "POST /v1/unsubscribe/{token}",
    "unsubscribe",
    PAGE,
    limit=Limit.NONE,
    unguessable=True,
    any_origin=True,
    **BY_TOKEN,
)
async def end(services: Services, session: PlatformSession, token: str) -> Response[bytes]:
    """End what an organization sends.

    One click, by RFC 8058: without cookies, sign-in, redirect or idempotency key; again is as once. The body is
    `List-Unsubscribe=One-Click` as a form, and is not needed. What concerns accounts and security is sent all the same.
    """
    sender = await organization_of_link(session, services.sealer, token)
    await unsubscribe(session, services.sealer, token)
    return reader_page(services, "Unsubscribed", _DONE, sender)
