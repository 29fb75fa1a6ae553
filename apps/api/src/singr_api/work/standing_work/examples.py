"""What the documentation of standing work shows."""

from typing import Any, Final

from singr_api.routing.operations import Example

_ONE: Final[dict[str, Any]] = {
    "name": "retention.clean",
    "every": 600.0,
    "processes": 4,
    "last_run_at": "2026-11-27T12:00:00Z",
    "seconds": 0.8,
    "next_at": "2026-11-27T12:09:31Z",
    "failed_at": None,
    "error": None,
    "paused": None,
    "asked_at": None,
}
_PAUSED: Final[dict[str, Any]] = {
    **_ONE,
    "next_at": None,
    "paused": {
        "since": "2026-11-27T12:03:00Z",
        "by": "user:019ab2c0-7f00-7000-8000-000000000007",
        "reason": "An export is under way.",
    },
}
ALL: Final = Example("One of several", {"items": [_ONE]})
PAUSED: Final = Example("Paused", _PAUSED)
RESUMED: Final = Example("Running again", _ONE)
ASKED: Final = Example("Requested", {**_ONE, "asked_at": "2026-11-27T12:05:00Z"})
PAUSE: Final = Example("Until an export has finished", {"reason": "An export is under way."})
