"""What people want to be told, read and set by their organization."""

from typing import Final

from singr_api.admission.policy import Access
from singr_api.http.fields import OrganizationQuery
from singr_api.http.problems import NOT_FOUND
from singr_api.people.preferences.schemas import PreferencesQuery
from singr_api.people.shared import CHANGE, OFTEN, PREFERENCES, ChangePreferences
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section
from singr_comms.people import (
    PreferencesHolder,
    PreferencesView,
    change_preferences,
    preferences_holder,
    read_preferences,
)
from singr_db import TenantSession

preferences = Section("Preferences", access=Access.CALLER)
_NOW: Final = Answer("As they are now.", one=Example("One category is off", PREFERENCES))
_DEFAULTS: Final = Answer(
    "As they are now.",
    one=Example("One category is off", PREFERENCES | {"recipient": None, "choices": [], "frequencies": []}),
)
_BODY: Final = {
    "choices": Example("One off, one left open again", CHANGE),
    "frequencies": Example("One mail a week, one thing at once", OFTEN),
}


@preferences.route("GET /v1/preferences", "readPreferences", _NOW, problems=(NOT_FOUND,), scope="notifications:read")
async def read(session: TenantSession, query: PreferencesQuery) -> PreferencesView:
    """Read what a person wants to be told.

    What they chose, and what that comes to for each type and category by each channel, with the rule that decides it.
    """
    return await read_preferences(session, await preferences_holder(session, query.recipient))


@preferences.route(
    "PATCH /v1/preferences",
    "changePreferences",
    _NOW,
    body_examples=_BODY,
    problems=(NOT_FOUND,),
    scope="notifications:write",
    one_factor="It is the organization's daily work, and gives nobody lasting power.",
)
async def change(session: TenantSession, query: PreferencesQuery, body: ChangePreferences) -> PreferencesView:
    """Change what a person wants to be told.

    All choices that are sent, or none. What they do not name stays: a wider choice never takes a narrower one away.
    `allowed: null` and `frequency: null` take a choice back, also of what is declared no more. What is off is so for
    messages that are queued already, too; how often, for what is decided from now on.
    """
    holder = await preferences_holder(session, query.recipient)
    return await change_preferences(session, holder, body.choices, frequencies=body.frequencies, source="organization")


@preferences.route(
    "GET /v1/preferences/defaults",
    "readPreferenceDefaults",
    _DEFAULTS,
    query=OrganizationQuery,
    scope="notifications:read",
)
async def read_defaults(session: TenantSession) -> PreferencesView:
    """Read what an organization has where people choose nothing."""
    return await read_preferences(session, PreferencesHolder(organization_id=session.organization_id))


@preferences.route(
    "PATCH /v1/preferences/defaults",
    "changePreferenceDefaults",
    _DEFAULTS,
    query=OrganizationQuery,
    body_examples=_BODY,
    scope="organization:write",
)
async def change_defaults(session: TenantSession, body: ChangePreferences) -> PreferencesView:
    """Change what an organization has where people choose nothing.

    No default outweighs somebody's own no, nor how often they want it. As for a person's: all or none, and what is not
    named stays.
    """
    holder = PreferencesHolder(organization_id=session.organization_id)
    return await change_preferences(session, holder, body.choices, frequencies=body.frequencies, source="organization")
