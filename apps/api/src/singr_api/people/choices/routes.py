"""Where readers of a mail choose what they get: a page that needs no script. Opening it changes nothing."""

from collections.abc import Iterator
from html import escape
from typing import Final
from urllib.parse import parse_qs

from litestar import Response

from singr_api.admission.call import AnonymousCall
from singr_api.admission.policy import Limit
from singr_api.http.problems import NOT_FOUND
from singr_api.routing.route import Section
from singr_api.wiring.reader_pages import BY_TOKEN, PAGE, reader_page
from singr_api.wiring.services import Services
from singr_comms.notifications import organization_of_link
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
{saved}<p>Choose what {sender} may send you. What concerns your account and its security reaches you in any case.</p>
<form method="post">
{boxes}<button type="submit">Save</button>
</form>
"""
_SAVED: Final = '<p role="status"><strong>Saved.</strong> It holds from now on, also for what is on its way.</p>\n'
_NOTHING: Final = "<p>There is nothing to choose here at present.</p>\n"

pages = Section("Pages", problems=(NOT_FOUND,))


@pages.route("GET /preferences/{token}", "choicesPage", PAGE, **BY_TOKEN)
async def ask(services: Services, session: PlatformSession, token: str) -> Response[bytes]:
    """Page: choose what an organization sends.

    For people whose mail has an unsubscribe link, by its token. It needs no script; opening it changes nothing.
    """
    holder = await preferences_holder_of_link(session, services.sealer, token)
    sender = await organization_of_link(session, services.sealer, token)
    return _page(services, sender, await read_preferences(session, holder))


# The link's token is all it takes, so that pages of others can send nothing that its holder could not; a page that
# gives no referrer tells no origin either.
@pages.route(
    "POST /preferences/{token}",
    "saveChoices",
    PAGE,
    limit=Limit.NONE,
    unguessable=True,
    any_origin=True,
    **BY_TOKEN,
)
async def save(services: Services, session: PlatformSession, call: AnonymousCall, token: str) -> Response[bytes]:
    """Keep what was chosen on the page.

    The body is the page's form. What was left as it was shown stays open, or as it was chosen before.
    """
    holder = await preferences_holder_of_link(session, services.sealer, token)
    sender = await organization_of_link(session, services.sealer, token)
    view = await read_preferences(session, holder)
    if choices := list(_changed(view, call.body)):
        view = await change_preferences(session, holder, choices, source="link")
    return _page(services, sender, view, saved=True)


def _changed(view: PreferencesView, body: bytes) -> Iterator[PreferenceChoice]:
    """What was switched on the page; of what it did not show, nothing is changed."""
    try:
        form = parse_qs(body.decode("ascii"), max_num_fields=_MOST_FIELDS)
    except ValueError:  # no form of ours
        return
    shown, was_on, is_on = ({*form.get(name, ())} for name in ("shown", "was", "on"))
    for category in view.categories:
        for one in category.channels:
            box = f"{category.category} {one.channel}"
            if box in shown and (box in is_on) != (box in was_on):
                yield PreferenceChoice(
                    scope="category", name=category.category, channel=one.channel, allowed=box in is_on
                )


def _boxes(view: PreferencesView) -> Iterator[str]:
    for category in view.categories:
        yield f"<fieldset>\n<legend>{escape(category.category.replace('_', ' ').capitalize())}</legend>\n"
        for one in category.channels:
            box = escape(f"{category.category} {one.channel}", quote=True)
            label = escape(_CHANNELS.get(one.channel, one.channel))
            yield f'<input type="hidden" name="shown" value="{box}">\n'
            if one.allowed:
                yield f'<input type="hidden" name="was" value="{box}">\n'
            checked = " checked" if one.allowed else ""
            yield f'<label class="choice"><input type="checkbox" name="on" value="{box}"{checked}> {label}</label>\n'
        yield "</fieldset>\n"


def _page(services: Services, sender: str | None, view: PreferencesView, *, saved: bool = False) -> Response[bytes]:
    content = _ASK.replace("{saved}", _SAVED if saved else "").replace("{boxes}", "".join(_boxes(view)) or _NOTHING)
    return reader_page(services, "Saved" if saved else "What you get", content, sender)
