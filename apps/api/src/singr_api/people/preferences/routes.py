"""What people want to be told, read and set by their organization."""

from typing import Final

from singr_api.admission.policy import Access
from singr_api.http.fields import OrganizationQuery
from singr_api.http.problems import NOT_FOUND
from singr_api.people.preferences.schemas import ChangeRecipientPreferences, PreferencesQuery
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
_NOW: Final = Answer("The settings in force.", one=Example("One category is off", PREFERENCES))
_DEFAULTS: Final = Answer(
    "The settings in force.",
    one=Example("One category is off", PREFERENCES | {"recipient": None, "choices": [], "frequencies": []}),
)
_ASKED: Final = {
    "choices": [{"scope": "category", "name": "requests", "channel": "email", "allowed": True}],
    "note": "They asked for it by phone.",
}
_BODY: Final = {
    "choices": Example("One switched off, one reset", CHANGE),
    "frequencies": Example("Weekly by mail for one, immediately for another", OFTEN),
}


@preferences.route("GET /v1/preferences", "readPreferences", _NOW, problems=(NOT_FOUND,), scope="notifications:read")
async def read(session: TenantSession, query: PreferencesQuery) -> PreferencesView:
    """Read a person's notification preferences.

    Their choices, and what they result in for each type and category by channel, with the deciding rule.
    """
    return await read_preferences(session, await preferences_holder(session, query.recipient))


@preferences.route(
    "PATCH /v1/preferences",
    "changePreferences",
    _NOW,
    body_examples=_BODY | {"note": Example("They asked for what they had switched off", _ASKED)},
    problems=(NOT_FOUND,),
    scope="notifications:write",
    one_factor="It is the organization's daily work, and gives nobody lasting power.",
)
async def change(session: TenantSession, query: PreferencesQuery, body: ChangeRecipientPreferences) -> PreferencesView:
    """Change a person's notification preferences.

    Either all choices in the request are stored, or none. Choices that it does not name stay: a broader choice never
    removes a narrower one. `allowed: null` and `frequency: null` clear a choice, even for types that are no longer
    declared. Switching something off also applies to messages already queued; a frequency applies to what is decided
    from now on. What the person switched off themselves is switched on or cleared only with a `note`, which is stored
    in the operation log (`preference.overrule`).
    """
    holder = await preferences_holder(session, query.recipient)
    return await change_preferences(
        session, holder, body.choices, frequencies=body.frequencies, source="organization", note=body.note
    )


@preferences.route(
    "GET /v1/preferences/defaults",
    "readPreferenceDefaults",
    _DEFAULTS,
    query=OrganizationQuery,
    scope="notifications:read",
)
async def read_defaults(session: TenantSession) -> PreferencesView:
    """Read an organization's default preferences."""
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
    """Change an organization's default preferences.

    A default never overrides a person's own opt-out or frequency. As with a person's preferences: all or none, and
    choices that are not named stay.
    """
    holder = PreferencesHolder(organization_id=session.organization_id)
    return await change_preferences(session, holder, body.choices, frequencies=body.frequencies, source="organization")
