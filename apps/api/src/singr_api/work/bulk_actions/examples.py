"""What the documentation of bulk actions shows."""

from typing import Any, Final

from singr_api.routing.operations import Example

_LETTER: Final[dict[str, Any]] = {
    "id": "019ab2c0-9000-7000-8000-000000000008",
    "organization_id": "01920000-0000-7000-8000-000000000001",
    "type": "sms.send",
    "queue": "sms",
    "error": {"code": "provider_unavailable", "message": "The provider answers 503 to +1…0100."},
}
_FILTER: Final = {"type": "sms.send", "error_code": "provider_unavailable", "failed_after": "2026-11-22T00:00:00Z"}
_ASKED: Final[dict[str, Any]] = {
    "action": "requeue",
    "target": "dead_letters",
    "filter": _FILTER,
    "rate_per_minute": 600,
    "reason": "Twilio is back.",
}
VIEW: Final[dict[str, Any]] = {
    "id": "019ab2c0-9100-7000-8000-000000000009",
    "organization_id": "01920000-0000-7000-8000-000000000001",
    **_ASKED,
    "priority": None,
    "state": "running",
    "matching": 8412,
    "done": 1200,
    "skipped": 1,
    "problems": [
        {
            "id": _LETTER["id"],
            "job_id": "019ab2c0-7f00-7000-8000-000000000001",
            "code": "unique-key-held",
            "message": "its unique key is held by the job 019ab2c0-9000-7000-8000-00000000000a",
        }
    ],
    "asked_by": "user:019ab2c0-7f00-7000-8000-000000000007",
    "asked_at": "2026-11-22T13:00:00Z",
    "stopped_by": None,
    "finished_at": None,
}
DRY: Final = Example("Count what would be requeued", {**_ASKED, "dry_run": True})
REQUEUE: Final = Example("Requeue what failed during a provider outage, ten a second", _ASKED)
SEEN: Final = Example(
    "How many match, and the first of them",
    {
        "matching": 8412,
        "counted": "exact",
        "examples": [_LETTER],
    },
)
NEW: Final = Example("Started", {**VIEW, "done": 0, "skipped": 0, "problems": []})
ONE: Final = Example("In progress", VIEW)
STOPPED: Final = Example(
    "Stopped", {**VIEW, "state": "stopped", "stopped_by": VIEW["asked_by"], "finished_at": "2026-11-22T13:02:00Z"}
)
