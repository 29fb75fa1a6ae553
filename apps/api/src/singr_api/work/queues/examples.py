"""What the documentation of queues shows."""

from typing import Any, Final

from singr_api.routing.operations import Example

_ORGANIZATION: Final = "01920000-0000-7000-8000-000000000001"
_SETTINGS: Final[dict[str, Any]] = {
    "queue": "sms",
    "paused": None,
    "concurrency": 20,
    "concurrency_per_organization": 5,
    "rate": {"count": 10, "seconds": 1.0},
    "organizations": [
        {"organization_id": _ORGANIZATION, "paused": None, "concurrency": None, "rate": None, "weight": 3}
    ],
}
_PAUSED: Final = {
    "since": "2026-11-27T12:00:00Z",
    "by": "user:019ab2c0-7f00-7000-8000-000000000007",
    "reason": "The provider is down.",
}
ONE: Final = Example("A queue with limits", _SETTINGS)
ALL: Final = Example("One queue of several", {"items": [_SETTINGS]})
PAUSED: Final = Example("At rest", {**_SETTINGS, "paused": _PAUSED})
RESUMED: Final = Example("Served again", _SETTINGS)
PAUSE: Final = Example("Until the provider is back", {"reason": "The provider is down."})
RESUME: Final = Example("One organization's jobs", {"organization_id": _ORGANIZATION})
LIMITS: Final = Example("Limits", {"concurrency": 20, "concurrency_per_organization": 5, "rate": "sms"})
WEIGHT: Final = Example("Three turns for each turn of others", {"organization_id": _ORGANIZATION, "weight": 3})
NO_LIMIT: Final = Example("As the environment says", {"concurrency": None, "rate": None})
