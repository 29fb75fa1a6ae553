"""What somebody wants to be told, read and set by themselves."""

from datetime import datetime
from typing import Final

import msgspec

from singr_api.admission.call import UserCall
from singr_api.admission.policy import Access
from singr_api.http.problems import NOT_FOUND
from singr_api.people.shared import (
    CHANGE,
    OFTEN,
    PREFERENCES,
    ChangePreferences,
    MyOrganizationQuery,
    reading_as_member,
)
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section
from singr_api.wiring.services import Services
from singr_comms.people import (
    PreferencesView,
    change_preferences,
    link_for,
    preferences_holder_of_user,
    read_preferences,
)
from singr_db import PlatformSession

mine = Section("Preferences", access=Access.USER, problems=(NOT_FOUND,))
_NOW: Final = Answer("The settings in force.", one=Example("One category is off", PREFERENCES))


class ChoicesLink(msgspec.Struct, frozen=True):
    """A link to your preferences page, which needs no script.

    Attributes:
        url: anybody who has it can choose for you until it expires, but can do nothing else: give it to your own
            browser only.
        expires_at: when the link expires.
    """

    url: str
    expires_at: datetime


@mine.route("GET /v1/me/preferences", "readMyPreferences", _NOW)
async def read(session: PlatformSession, call: UserCall, query: MyOrganizationQuery) -> PreferencesView:
    """Read your notification preferences for an organization.

    Your choices, and what they result in for each type and category by channel, with the deciding rule. For an
    organization that does not have you as a recipient, there is nothing to choose (404).
    """
    holder = await preferences_holder_of_user(session, query.organization_id, call.user_id)
    return await read_preferences(session, holder)


@mine.route(
    "PATCH /v1/me/preferences",
    "changeMyPreferences",
    _NOW,
    body_examples={
        "choices": Example("One switched off, one reset", CHANGE),
        "frequencies": Example("Weekly by mail for one, immediately for another", OFTEN),
    },
)
async def change(
    services: Services, session: PlatformSession, call: UserCall, query: MyOrganizationQuery, body: ChangePreferences
) -> PreferencesView:
    """Change your notification preferences for an organization.

    Either all choices in the request are stored, or none. Choices that it does not name stay: a broader choice never
    removes a narrower one. `allowed: null` and `frequency: null` clear a choice. Switching something off also applies
    to messages already on their way; a frequency applies to what is decided from now on.

    Switching on a category that your account's own address was unsubscribed from ends that. If the organization writes
    to you at another address that was unsubscribed, the choice is stored, but the category stays off (`rule` is
    `suppression`) until it is switched on from a mail to that address, or the organization lifts the suppression.
    """
    holder = await preferences_holder_of_user(session, query.organization_id, call.user_id)
    holder = await reading_as_member(services, session, holder, call.user_id)
    return await change_preferences(session, holder, body.choices, frequencies=body.frequencies, source="recipient")


@mine.route(
    "POST /v1/me/preferences/link",
    "linkMyPreferences",
    Answer(
        "The link.",
        one=Example(
            "For an hour",
            {"url": f"https://api.singrkaraoke.com/preferences/{'A' * 100}", "expires_at": "2026-11-28T13:00:00Z"},
        ),
    ),
)
async def link(services: Services, session: PlatformSession, call: UserCall, query: MyOrganizationQuery) -> ChoicesLink:
    """Get a link to your preferences page.

    Returns the address of a page in your language, valid for an hour, and no longer than the session that requested it:
    opening it in a browser needs no sign-in, cookie or script, so an app can show it as it is. Choices made there count
    as if made here.
    """
    holder = await preferences_holder_of_user(session, query.organization_id, call.user_id)
    made = link_for(services.sealer, holder, session_id=call.session_id)
    return ChoicesLink(f"{services.address.rstrip('/')}/preferences/{made.token}", made.expires_at)
