"""Notifications as the documentation shows them."""

from typing import Any, Final

from singr_api.routing.operations import Example

_ID: Final = "019ab2c0-7f00-7000-8000-000000000031"
NOTIFICATION: Final[dict[str, Any]] = {
    "id": _ID,
    "type": "song_request",
    "audience": {"kind": "topic", "named": None, "topic": "venue-7", "tags": None},
    "channels": ["email", "sms"],
    "priority": "normal",
    "per_minute": None,
    "digest": None,
    "send_at": None,
    "expires_at": None,
    "deduplication_key": "request-4711",
    "state": "sending",
    "is_paused": False,
    "decided": 3,
    "job_id": "019ab2c0-7f00-7000-8000-000000000032",
    "correlation_id": "req-4711",
    "asked_by": "ak_5Tn3Xw8yLm1Po6Qr2",
    "created_at": "2026-11-27T12:00:00Z",
    "updated_at": "2026-11-27T12:00:01Z",
    "ended_at": None,
}
READ: Final[dict[str, Any]] = NOTIFICATION | {
    "messages": 6,
    "counts": [
        {"channel": "email", "status": "sent", "reason": None, "messages": 2},
        {"channel": "email", "status": "suppressed", "reason": "preference", "messages": 1},
        {"channel": "sms", "status": "queued", "reason": None, "messages": 2},
        {"channel": "sms", "status": "suppressed", "reason": "no_address", "messages": 1},
    ],
}
SENT: Final = {"id": _ID, "state": "deciding", "is_new": True}
SENT_BEFORE: Final = {"id": _ID, "state": "sending", "is_new": False}
CANCELLED: Final = {"stopped": 212, "already_sent": 188, "in_flight": 3}
_DATA: Final = {
    "venue_name": "The Velvet Microphone",
    "artist": "Queen",
    "title": "Somebody to Love",
    "link": "https://app.singrkaraoke.com/requests/4711",
}
SEND_NAMED: Final = Example(
    "To named recipients, by SMS",
    {
        "type": "plain",
        "to": [{"phone": "+15555550100"}, {"phone": "+15555550101", "data": {"text": "You are second."}}],
        "channels": ["sms"],
        "data": {"text": "You are next: come to the stage."},
    },
)
SEND_CROWD: Final = Example(
    "To everybody in a topic, once",
    {"type": "song_request", "to": {"topic": "venue-7"}, "data": _DATA, "deduplication_key": "request-4711"},
)
MESSAGE: Final[dict[str, Any]] = {
    "id": "019ab2c0-7f00-7000-8000-000000000033",
    "job_id": "019ab2c0-7f00-7000-8000-000000000033",
    "user_id": None,
    "channel": "email",
    "kind": "song_request",
    "status": "sent",
    "recipient": "j***@example.org",
    "provider": "mailjet",
    "provider_message_id": "288230376151711744",
    "error": None,
    "attempt_count": 1,
    "correlation_id": "req-4711",
    "created_at": "2026-11-27T12:00:00Z",
    "sent_at": "2026-11-27T12:00:01Z",
    "delivered_at": None,
    "updated_at": "2026-11-27T12:00:01Z",
}
