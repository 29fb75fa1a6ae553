"""Where readers of a mail choose what they get: a page that needs no script. Opening it changes nothing."""

from collections.abc import Iterator
from html import escape
from typing import Final
from urllib.parse import parse_qs

from litestar import Response

from singr_api.admission.call import AnonymousCall
from singr_api.admission.policy import Limit
from singr_api.http.problems import INVALID, NOT_FOUND, FieldError, invalid
from singr_api.routing.route import Section
from singr_api.wiring.reader_pages import BY_TOKEN, PAGE, reader_page
from singr_api.wiring.services import Services
from singr_comms.notifications import mail_ended_by_reader, organization_of_link
from singr_comms.people import (
    PreferenceChoice,
    PreferencesView,
    change_preferences,
    preferences_holder_of_link,
    read_preferences,
)
from singr_db import PlatformSession

_MOST_FIELDS: Final = 400
_CHANNELS: Final = {"email": "E-mail", "sms": "Text message", "push": "Push", "inbox": "In the app"}
_ASK: Final = """<h1>What you get</h1>
{saved}{ended}<p>Choose what {sender} may send you.
What concerns your account and its security reaches you in any case.</p>
<form method="post">
{boxes}<button type="submit">Save</button>
</form>
"""
_SAVED: Final = '<p role="status"><strong>Saved.</strong> It holds from now on, also for what is on its way.</p>\n'
_ENDED: Final = (
    '<p role="note"><strong>No e-mail where it cannot be ticked below.</strong> You unsubscribed, or your address took'
    " none: what you save here does not change that. Ask {sender} to write to you again.</p>\n"
)
_NOTHING: Final = "<p>There is nothing to choose here at present.</p>\n"

pages = Section("Pages", problems=(NOT_FOUND,))


@pages.route("GET /preferences/{token}", "choicesPage", PAGE, **BY_TOKEN)
async def ask(services: Services, session: PlatformSession, token: str) -> Response[bytes]:
    """Page: choose what an organization sends.

    For people whose mail has an unsubscribe link, by its token. It needs no script; opening it changes nothing.
    """
    holder = await preferences_holder_of_link(session, services.sealer, token)
    sender = await organization_of_link(session, services.sealer, token)
    view = await read_preferences(session, holder)
    return _page(services, sender, view, await _ended(services, session, token, view))


# The link's token is all it takes, so that pages of others can send nothing that its holder could not; a page that
# gives no referrer tells no origin either.
@pages.route(
    "POST /preferences/{token}",
    "saveChoices",
    PAGE,
    limit=Limit.NONE,
    unguessable=True,
    any_origin=True,
    problems=(INVALID,),
    **BY_TOKEN,
)
async def save(services: Services, session: PlatformSession, call: AnonymousCall, token: str) -> Response[bytes]:
    """Keep what was chosen on the page.

    The body is the page's form. What was left as it was shown stays open, or as it was chosen before. Whoever has
    unsubscribed gets no mail for what is chosen here; the page says so.
    """
    holder = await preferences_holder_of_link(session, services.sealer, token)
    sender = await organization_of_link(session, services.sealer, token)
    view = await read_preferences(session, holder)
    shown, was_on, is_on = _form(call.body)
    if choices := list(_changed(view, shown, was_on, is_on)):
        view = await change_preferences(session, holder, choices, source="link")
    return _page(services, sender, view, await _ended(services, session, token, view), saved=bool(shown))


async def _ended(services: Services, session: PlatformSession, token: str, view: PreferencesView) -> set[str]:
    """The categories of which no mail comes, whatever is chosen."""
    mails: dict[str, set[str]] = {}
    for one in view.types:
        if not one.mandatory and any(way.channel == "email" for way in one.channels):
            mails.setdefault(one.category, set()).add(one.type)
    held = await mail_ended_by_reader(session, services.sealer, token, set().union(*mails.values()))
    return {category for category, types in mails.items() if types <= held}


def _form(body: bytes) -> tuple[set[str], set[str], set[str]]:
    """What the page showed, what of it was on, and what is."""
    try:
        form = parse_qs(body.decode("ascii"), strict_parsing=True, max_num_fields=_MOST_FIELDS) if body else {}
    except ValueError:
        message = f"must be the page's form, of {_MOST_FIELDS} fields at most"
        raise invalid(FieldError("", message, "body", "malformed")) from None
    shown, was_on, is_on = ({*form.pop(name, ())} for name in ("shown", "was", "on"))
    if form or not was_on | is_on <= shown:
        raise invalid(FieldError("", "must be the page's form, and all of it", "body", "malformed"))
    return shown, was_on, is_on


def _changed(view: PreferencesView, shown: set[str], was_on: set[str], is_on: set[str]) -> Iterator[PreferenceChoice]:
    """What was switched on the page; of what it did not show, nothing is changed."""
    for category in view.categories:
        for one in category.channels:
            box = f"{category.category} {one.channel}"
            if box in shown and (box in is_on) != (box in was_on):
                yield PreferenceChoice(
                    scope="category", name=category.category, channel=one.channel, allowed=box in is_on
                )


def _boxes(view: PreferencesView, ended: set[str]) -> Iterator[str]:
    for category in view.categories:
        yield f"<fieldset>\n<legend>{escape(category.category.replace('_', ' ').capitalize())}</legend>\n"
        for one in category.channels:
            box = escape(f"{category.category} {one.channel}", quote=True)
            label = escape(_CHANNELS.get(one.channel, one.channel))
            if one.channel == "email" and category.category in ended:
                yield f'<label class="choice"><input type="checkbox" disabled> {label}</label>\n'
                continue
            yield f'<input type="hidden" name="shown" value="{box}">\n'
            if one.allowed:
                yield f'<input type="hidden" name="was" value="{box}">\n'
            checked = " checked" if one.allowed else ""
            yield f'<label class="choice"><input type="checkbox" name="on" value="{box}"{checked}> {label}</label>\n'
        yield "</fieldset>\n"


def _page(
    services: Services, sender: str | None, view: PreferencesView, ended: set[str], *, saved: bool = False
) -> Response[bytes]:
    content = _ASK.replace("{saved}", _SAVED if saved else "").replace("{ended}", _ENDED if ended else "")
    content = content.replace("{boxes}", "".join(_boxes(view, ended)) or _NOTHING)
    return reader_page(services, "Saved" if saved else "What you get", content, sender)
