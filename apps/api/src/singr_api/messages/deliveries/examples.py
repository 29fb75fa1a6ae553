"""What the documentation of the delivery log shows."""

from typing import Any, Final

from singr_api.routing.operations import Example

DELIVERY: Final[dict[str, Any]] = {
    "id": "019ab2c0-7f00-7000-8000-000000000002",
    "job_id": "019ab2c0-7f00-7000-8000-000000000001",
    "user_id": None,
    "channel": "email",
    "kind": "song_request",
    "status": "sent",
    "recipient": "h***@bluenote.example",
    "provider": "smtp",
    "provider_message_id": "<019ab2c0@singr>",
    "error": None,
    "attempt_count": 1,
    "correlation_id": "00f067aa0ba902b7a3ce929d0e0e4736",
    "created_at": "2026-11-22T12:00:00Z",
    "sent_at": "2026-11-22T12:00:00.120Z",
    "delivered_at": None,
    "updated_at": "2026-11-22T12:00:00.120Z",
}
SEEN: Final = Example("Seen at the provider", {"outcome": "sent", "reason": "Mailjet lists it as sent."})
ATTEMPT: Final[dict[str, Any]] = {
    "attempt": 1,
    "provider": "smtp",
    "status": "sent",
    "provider_message_id": "<019ab2c0@singr>",
    "error": None,
    "started_at": "2026-11-22T12:00:00.050Z",
    "finished_at": "2026-11-22T12:00:00.120Z",
}
EVENT: Final[dict[str, Any]] = {
    "provider": "mailjet",
    "event": "sent",
    "status": "delivered",
    "applied": True,
    "error": None,
    "occurred_at": "2026-11-22T12:00:03Z",
    "received_at": "2026-11-22T12:00:04.512Z",
}
DELIVERED: Final[dict[str, Any]] = {
    **DELIVERY,
    "status": "delivered",
    "provider": "mailjet",
    "provider_message_id": "1152921504606846976",
    "delivered_at": "2026-11-22T12:00:03Z",
    "updated_at": "2026-11-22T12:00:05Z",
    "attempts": [{**ATTEMPT, "provider": "mailjet", "provider_message_id": "1152921504606846976"}],
    "events": [EVENT],
}
