"""What the documentation of statistics shows."""

from typing import Final

from singr_api.routing.operations import Example

WEEK: Final = Example(
    "Song requests of one day",
    {
        "from": "2026-11-22T00:00:00Z",
        "to": "2026-11-23T00:00:00Z",
        "since": "2026-11-22T00:00:00Z",
        "counted_at": "2026-11-22T23:59:12Z",
        "is_whole": True,
        "items": [
            {
                "day": "2026-11-22",
                "type": "song_request",
                "channel": None,
                "provider": None,
                "user": None,
                "messages": 1204,
                "states": {
                    "queued": 0,
                    "dispatched": 0,
                    "sent": 9,
                    "delivered": 1180,
                    "bounced": 8,
                    "complained": 1,
                    "failed": 0,
                    "unknown": 0,
                    "suppressed": 6,
                },
                "reasons": [
                    {"status": "bounced", "code": "mailjet_bounce", "messages": 8},
                    {"status": "suppressed", "code": "opt_out", "messages": 4},
                    {"status": "suppressed", "code": "user_limit", "messages": 2},
                    {"status": "complained", "code": "mailjet_spam", "messages": 1},
                ],
                "rates": {"delivered": 0.9858, "bounced": 0.0067, "complained": 0.0008},
                "seconds_to_delivered": {"median": 2.3, "p95": 9.1},
            }
        ],
    },
)
