"""What the documentation of callbacks shows."""

from typing import Any, Final

from singr_api.routing.operations import Example

_EFFECT: Final[dict[str, Any]] = {
    "event": "bounce",
    "outcome": "applied",
    "message_id": "019ab2c0-7f00-7000-8000-000000000002",
    "organization_id": "01920000-0000-7000-8000-000000000001",
    "before": "sent",
    "after": "bounced",
    "also": ["the address is suppressed: bounced"],
}
WEBHOOK: Final[dict[str, Any]] = {
    "id": "019ab2c0-7f00-7000-8000-00000000000b",
    "provider": "mailjet",
    "event": "bounce",
    "events": 1,
    "state": "done",
    "outcome": {"counts": {"applied": 1}, "effects": [_EFFECT]},
    "attempts": 1,
    "correlation_id": "00f067aa0ba902b7a3ce929d0e0e4736",
    "received_at": "2026-11-27T12:00:00Z",
    "processed_at": "2026-11-27T12:00:00.080Z",
}
ONE: Final = Example("A bounce", WEBHOOK)
EFFECTS: Final = Example("A message would bounce", {"effects": [_EFFECT]})
AGAIN: Final = Example("Waiting again", {**WEBHOOK, "state": "received"})
MANY_AGAIN: Final = Example("Some are waiting again", {"count": 17, "next_cursor": None})
WHY: Final = Example("After an outage", {"reason": "The messages were restored since."})
IGNORED: Final = Example("Those that matched no message", {"state": "ignored", "provider": "mailjet"})
