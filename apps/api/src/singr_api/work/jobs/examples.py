"""What the documentation of jobs shows."""

from typing import Any, Final

from singr_api.routing.operations import Example

_ORGANIZATION: Final = "01920000-0000-7000-8000-000000000001"
_JOB: Final = "019ab2c0-7f00-7000-8000-000000000001"
_MESSAGE: Final = "019ab2c0-7f00-7000-8000-000000000002"

_EMAIL: Final[dict[str, Any]] = {
    "type": "email.send",
    "organization_id": _ORGANIZATION,
    "payload": {
        "to": {"email": "host@bluenote.example", "name": "Blue Note"},
        "message": {
            "kind": "song_request",
            "venue_name": "Blue Note",
            "artist": "Nina Simone",
            "title": "Feeling Good",
            "singer_name": "Ada",
            "link": "https://singrkaraoke.com/requests/42",
        },
    },
}
_SMS: Final[dict[str, Any]] = {
    "type": "sms.send",
    "organization_id": _ORGANIZATION,
    "priority": "high",
    "payload": {"to": "+15555550100", "message": {"kind": "plain", "text": "You are next: come to the stage."}},
}
_LATER: Final[dict[str, Any]] = {
    "type": "sms.send",
    "organization_id": _ORGANIZATION,
    "delay": 3600,
    "attempts": 5,
    "unique_key": "pickup-4711",
    "payload": {"to": "+15555550100", "message": {"kind": "plain", "text": "Your song is next."}},
}
_DIGEST: Final[dict[str, Any]] = {
    "type": "email.digest",
    "organization_id": _ORGANIZATION,
    "payload": {
        "user": "u-17",
        "period": "daily",
        "start": "2026-11-27T07:00:00Z",
        "end": "2026-11-28T07:00:00Z",
    },
}
_VIEW: Final[dict[str, Any]] = {
    "id": _JOB,
    "organization_id": _ORGANIZATION,
    "type": "email.send",
    "queue": "email",
    "status": "pending",
    "priority": "normal",
    "progress": 0,
    "attempt": 0,
    "max_attempts": 3,
    "run_at": "2026-11-22T12:00:00Z",
    "created_at": "2026-11-22T12:00:00Z",
    "started_at": None,
    "finished_at": None,
    "cancel_requested": False,
    "unique_key": None,
    "concurrency_key": None,
    "reference": None,
    "labels": [],
    "correlation_id": "00f067aa0ba902b7a3ce929d0e0e4736",
    "payload": {"message_id": _MESSAGE},
    "result": None,
    "error": None,
}
_FAILED: Final[dict[str, Any]] = {
    **_VIEW,
    "status": "failed",
    "attempt": 1,
    "started_at": "2026-11-22T12:00:00.040Z",
    "finished_at": "2026-11-22T12:00:00.310Z",
    "error": {"code": "recipient_refused", "message": "The provider refuses this recipient."},
    "replaced_by": None,
    "schedule_id": None,
    "attempts": [
        {
            "attempt": 1,
            "outcome": "failed",
            "error": {"code": "recipient_refused", "message": "The provider refuses this recipient."},
            "worker": "worker-1",
            "started_at": "2026-11-22T12:00:00.040Z",
            "finished_at": "2026-11-22T12:00:00.310Z",
        }
    ],
}

LINE: Final[dict[str, Any]] = {
    "id": "019ab2c0-7f00-7000-8000-000000000008",
    "attempt": 1,
    "at": "2026-11-22T12:00:00.120Z",
    "message": "the file is read",
    "fields": {"rows": 4711},
}

_EXPLANATION: Final[dict[str, Any]] = {
    "id": _JOB,
    "state": "pending",
    "reason": "turn",
    "in_words": "Waits its turn: 12 other jobs of its organization are before it in the queue email.",
    "since": "2026-11-22T12:00:00Z",
    "error_code": None,
    "would_start": {"queue": "email", "paused": False, "workers": 2, "workers_that_know_the_type": 2},
}

EMAIL: Final = Example("E-mail to a venue: a song request", _EMAIL)
SMS: Final = Example("Text message with high priority", _SMS)
DIGEST: Final = Example("A digest of one day, now", _DIGEST)
LATER: Final = Example("In one hour, with five attempts, deduplicated by unique key", _LATER)
NEW: Final = Example("A new job", _VIEW)
PAGE: Final = Example("The last page", {"items": [_VIEW], "next_cursor": None})
FAILED: Final = Example("A failed job", _FAILED)
CANCELLED: Final = Example("A job that was waiting", {**_VIEW, "status": "cancelled", "cancel_requested": True})
AGAIN: Final = Example("It waits again", _VIEW)
SOONER: Final = Example("Raise the priority", {"priority": "high"})
WHY_AGAIN: Final = Example("The reason, for the operation log", {"reason": "The provider is back."})
WAITS: Final = Example("It is waiting its turn", _EXPLANATION)
