"""What the documentation of dead letters shows."""

from typing import Any, Final

from singr_api.routing.operations import Example

_JOB: Final = "019ab2c0-7f00-7000-8000-000000000001"
_ERROR: Final = {"code": "provider_unavailable", "message": "The provider answers 503 to +1…0100."}

LETTER: Final[dict[str, Any]] = {
    "id": "019ab2c0-9000-7000-8000-000000000008",
    "organization_id": "01920000-0000-7000-8000-000000000001",
    "job_id": _JOB,
    "type": "sms.send",
    "queue": "sms",
    "error": _ERROR,
    "fingerprint": "5f0c1d2e3a4b5c6d",
    "attempts": 1,
    "state": "open",
    "failed_at": "2026-11-22T12:00:00.310Z",
    "settled_at": None,
    "settled_by": None,
}
_SETTLED: Final = {"settled_at": "2026-11-22T13:00:00Z", "settled_by": "user:019ab2c0-7f00-7000-8000-000000000007"}
PAGE: Final = Example("The last page", {"items": [LETTER], "next_cursor": None, "looked_back_to": None})
ONE: Final = Example(
    "A dead letter",
    {
        **LETTER,
        "priority": "normal",
        "max_attempts": 1,
        "unique_key": None,
        "correlation_id": "00f067aa0ba902b7a3ce929d0e0e4736",
        "reference": None,
        "labels": [],
        "created_at": "2026-11-22T12:00:00Z",
        "payload": {"message_id": "019ab2c0-7f00-7000-8000-000000000002"},
        "history": [
            {
                "attempt": 1,
                "outcome": "failed",
                "error": _ERROR,
                "worker": "worker-1",
                "started_at": "2026-11-22T12:00:00.040Z",
                "finished_at": "2026-11-22T12:00:00.310Z",
            }
        ],
        "logs": [
            {
                "id": "019ab2c0-8000-7000-8000-00000000000a",
                "attempt": 1,
                "at": "2026-11-22T12:00:00.052Z",
                "message": "asking the provider",
                "fields": {"provider": "twilio"},
            }
        ],
        "logs_complete": True,
    },
)
GROUPS: Final = Example(
    "Failures of one kind",
    {
        "groups": [
            {
                "fingerprint": LETTER["fingerprint"],
                "type": "sms.send",
                "error_code": "provider_unavailable",
                "count": 412,
                "counted": "exact",
                "first_at": "2026-11-22T11:20:00Z",
                "last_at": LETTER["failed_at"],
                "example": LETTER,
            }
        ],
        "complete": True,
    },
)
REQUEUED: Final = Example("Its job waits again", {**LETTER, **_SETTLED, "state": "requeued"})
DISCARDED: Final = Example("Discarded", {**LETTER, **_SETTLED, "state": "discarded"})
BACK: Final = Example("Why", {"reason": "The provider is back."})
