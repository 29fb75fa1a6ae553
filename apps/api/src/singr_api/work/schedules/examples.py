"""What the documentation of schedules shows."""

from typing import Any, Final

from singr_api.routing.operations import Example

_ORGANIZATION: Final = "01920000-0000-7000-8000-000000000001"
_SCHEDULE: Final = "019ab2c0-7f00-7000-8000-000000000005"
_JOB: Final = "019ab2c0-7f00-7000-8000-000000000001"

_CREATE: Final[dict[str, Any]] = {
    "name": "nightly",
    "cron": "30 2 * * 1-5",
    "time_zone": "Europe/Berlin",
    "missed": "latest",
    "missed_within": 7200,
    "overlap": "skip",
    "job": {
        "type": "sms.send",
        "payload": {"to": "+15555550100", "message": {"kind": "plain", "text": "The night's songs are counted."}},
    },
}
VIEW: Final[dict[str, Any]] = {
    "id": _SCHEDULE,
    "organization_id": _ORGANIZATION,
    "name": "nightly",
    "state": "active",
    "type": "sms.send",
    "cron": "30 2 * * 1-5",
    "time_zone": "Europe/Berlin",
    "every": None,
    "at": None,
    "in_words": "At 02:30 on Monday through Friday (Europe/Berlin)",
    "starts": None,
    "ends": None,
    "jitter": 0.0,
    "missed": "latest",
    "missed_within": 7200.0,
    "overlap": "skip",
    "pause_after": None,
    "next_fire_at": "2026-11-30T01:30:00Z",
    "last_fire_at": "2026-11-27T01:30:00Z",
    "last_job_id": _JOB,
    "problem": None,
    "created_at": "2026-11-22T12:00:00Z",
    "updated_at": "2026-11-22T12:00:00Z",
}
FIRE: Final[dict[str, Any]] = {
    "id": _JOB,
    "fire_at": "2026-11-27T01:30:00Z",
    "outcome": "fired",
    "until": None,
    "job_id": _JOB,
}

NIGHTLY: Final = Example("On weekdays at 2:30 a.m. in Berlin", _CREATE)
MADE: Final = Example("A new schedule", {**VIEW, "last_fire_at": None, "last_job_id": None})
PAUSED: Final = Example("Paused", {**VIEW, "state": "paused", "next_fire_at": None})
RESUMED: Final = Example("Active again", VIEW)
ASKED: Final = Example("A worker creates the job within a second", VIEW)
ONE: Final = Example("A schedule", VIEW)
TIMES: Final = Example("A cron expression", {"cron": "30 2 * * 1-5", "time_zone": "Europe/Berlin", "count": 2})
TOLD: Final = Example(
    "Described in words and times",
    {
        "in_words": "At 02:30 on Monday through Friday (Europe/Berlin)",
        "next_fires": [
            {"local": "2026-11-30T02:30:00+01:00", "utc": "2026-11-30T01:30:00Z"},
            {"local": "2026-12-01T02:30:00+01:00", "utc": "2026-12-01T01:30:00Z"},
        ],
    },
)
