"""What several capabilities about people take, answer and show."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from singr_comms.people import MOST_CHOICES, PreferenceChoice

_EMAIL_OFF: Final[dict[str, Any]] = {"channel": "email", "allowed": False, "rule": "recipient:category+channel"}
PREFERENCES: Final[dict[str, Any]] = {
    "recipient": "u-17",
    "choices": [
        {
            "scope": "category",
            "name": "requests",
            "channel": "email",
            "allowed": False,
            "source": "recipient",
            "updated_at": "2026-11-27T12:00:00Z",
        }
    ],
    "categories": [{"category": "requests", "channels": [_EMAIL_OFF]}],
    "types": [{"type": "song_request", "category": "requests", "mandatory": False, "channels": [_EMAIL_OFF]}],
}
CHANGE: Final[dict[str, Any]] = {
    "choices": [
        {"scope": "category", "name": "requests", "channel": "email", "allowed": False},
        {"scope": "all", "channel": "sms", "allowed": None},
    ]
}


class ChangePreferences(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Choices to keep or to take back; what they do not name stays.

    Attributes:
        choices: none about the same as another.
    """

    choices: Annotated[tuple[PreferenceChoice, ...], Meta(min_length=1, max_length=MOST_CHOICES)]
