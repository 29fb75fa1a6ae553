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
_FIGURES: Final[dict[str, Any]] = {
    "taken": 2460,
    "completed": 2431,
    "retried": 17,
    "failed": 2,
    "wait_p50": 0.0041,
    "wait_p95": 0.22,
    "run_p50": 0.112,
    "run_p95": 0.348,
}
_STANDING: Final[dict[str, Any]] = {
    **_SETTINGS,
    "jobs": {"waiting": 42, "delayed": 3, "active": 20, "parked": 0},
    "counted_at": "2026-11-27T12:00:00Z",
    "oldest_due_at": "2026-11-27T11:59:58Z",
    "workers": 2,
    "recent": {**_FIGURES, "since": "2026-11-27T11:55:00Z", "per_minute": 442.0},
}
_HEALTH: Final[dict[str, Any]] = {
    "queue": "sms",
    "healthy": False,
    "problems": [
        {"code": "oldest_waits", "in_words": "Its oldest due job waits for 912 s; 300 s are allowed."},
        {
            "code": "no_workers",
            "in_words": "No worker serves it: the last one, 'worker-1:4711', fell silent 912 s ago.",
        },
    ],
    "counted_at": "2026-11-27T12:00:00Z",
}
_WORKER: Final[dict[str, Any]] = {
    "name": "worker-1:4711",
    "host": "worker-1",
    "version": "0.1.0",
    "queues": ["sms", "two-factor"],
    "types": ["sms.send", "two_factor.send"],
    "in_hand": {"sms": 20, "two-factor": 0},
    "started_at": "2026-11-27T08:00:00Z",
    "seen_at": "2026-11-27T11:59:55Z",
    "silent": False,
}
_HISTORY: Final[dict[str, Any]] = {
    "queue": "sms",
    "since": "2026-11-27T12:00:00Z",
    "until": "2026-11-27T12:00:30Z",
    "minutes": [{**_FIGURES, "minute": "2026-11-27T12:00:00Z"}],
    "types": [{**_FIGURES, "type": "sms.send"}],
    "types_since": "2026-11-27T12:00:00Z",
}
ONE: Final = Example("A queue with limits", _SETTINGS)
STANDING: Final = Example("A queue with limits", _STANDING)
ALL: Final = Example("One queue of several", {"items": [_STANDING]})
HISTORY: Final = Example("One minute, one type", _HISTORY)
HEALTH: Final = Example("No worker serves the queue", _HEALTH)
HEALTHS: Final = Example("One queue of several", {"healthy": False, "queues": [_HEALTH]})
WORKERS: Final = Example("One worker", {"items": [_WORKER]})
PAUSED: Final = Example("Paused", {**_SETTINGS, "paused": _PAUSED})
RESUMED: Final = Example("Served again", _SETTINGS)
PAUSE: Final = Example("Until the provider is back", {"reason": "The provider is down."})
RESUME: Final = Example("One organization's jobs", {"organization_id": _ORGANIZATION})
LIMITS: Final = Example("Limits", {"concurrency": 20, "concurrency_per_organization": 5, "rate": "sms"})
WEIGHT: Final = Example(
    "Weight three: three turns for each turn of others", {"organization_id": _ORGANIZATION, "weight": 3}
)
NO_LIMIT: Final = Example("Reset to the environment's settings", {"concurrency": None, "rate": None})
