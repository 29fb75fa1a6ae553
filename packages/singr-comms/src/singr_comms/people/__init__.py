"""Whom an organization reaches, and what they want to be told.

Needs the extra `notifications`.
"""

from singr_config.extras import require_extra

require_extra(
    "singr-comms",
    "notifications",
    *("singr_db", "singr_jobs", "singr_observability", "psycopg", "sqlalchemy", "phonenumbers", "email_validator"),
)

from singr_comms.people._errors import RecipientNotFoundError
from singr_comms.people.preferences._model import (
    MOST_CHOICES,
    CategoryPreference,
    ChannelPreference,
    KeptChoice,
    PreferenceChoice,
    PreferenceError,
    PreferenceFault,
    PreferencesView,
    TypePreference,
)
from singr_comms.people.preferences._rule import RULE_SQL, Decision, decide
from singr_comms.people.preferences._store import (
    PreferencesHolder,
    change_preferences,
    preferences_holder,
    preferences_holder_of_user,
    read_preferences,
)

__all__ = [
    "MOST_CHOICES",
    "RULE_SQL",
    "CategoryPreference",
    "ChannelPreference",
    "Decision",
    "KeptChoice",
    "PreferenceChoice",
    "PreferenceError",
    "PreferenceFault",
    "PreferencesHolder",
    "PreferencesView",
    "RecipientNotFoundError",
    "TypePreference",
    "change_preferences",
    "decide",
    "preferences_holder",
    "preferences_holder_of_user",
    "read_preferences",
]
