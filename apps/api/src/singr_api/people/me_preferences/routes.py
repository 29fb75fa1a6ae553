"""What somebody wants to be told, read and set by themselves."""

from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import Meta

from singr_api.admission.call import UserCall
from singr_api.admission.policy import Access
from singr_api.http.problems import NOT_FOUND
from singr_api.people.shared import CHANGE, PREFERENCES, ChangePreferences
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section
from singr_comms.people import PreferencesView, change_preferences, preferences_holder_of_user, read_preferences
from singr_db import PlatformSession

mine = Section("Preferences", access=Access.USER, problems=(NOT_FOUND,))
_NOW: Final = Answer("As they are now.", one=Example("One category is off", PREFERENCES))


class MyOrganizationQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose messages."""

    organization_id: Annotated[UUID, Meta(description="The organization that sends them.")]


@mine.route("GET /v1/me/preferences", "readMyPreferences", _NOW)
async def read(session: PlatformSession, call: UserCall, query: MyOrganizationQuery) -> PreferencesView:
    """Read what you want to be told by an organization.

    What you chose, and what that comes to for each type and category by each channel, with the rule that decides it.
    Of an organization that does not have you among its recipients there is nothing to choose (404).
    """
    holder = await preferences_holder_of_user(session, query.organization_id, call.user_id)
    return await read_preferences(session, holder)


@mine.route(
    "PATCH /v1/me/preferences",
    "changeMyPreferences",
    _NOW,
    body_examples={"choices": Example("One off, one left open again", CHANGE)},
)
async def change(
    session: PlatformSession, call: UserCall, query: MyOrganizationQuery, body: ChangePreferences
) -> PreferencesView:
    """Change what you want to be told by an organization.

    All choices that are sent, or none. What they do not name stays: a wider choice never takes a narrower one away.
    `allowed: null` takes a choice back. It holds for messages that are on their way already, too.
    """
    holder = await preferences_holder_of_user(session, query.organization_id, call.user_id)
    return await change_preferences(session, holder, body.choices, source="recipient")
