"""What the documentation of providers shows."""

from typing import Any, Final

from singr_api.routing.operations import Example

_ONE: Final[dict[str, Any]] = {
    "channel": "email",
    "name": "mailjet",
    "state": "open",
    "failures": 12,
    "failure": {
        "code": "timeout",
        "message": "mailjet: ReadTimeout after the request was sent: it may have been taken",
    },
    "opened_at": "2026-11-27T12:00:00Z",
    "probe_at": "2026-11-27T12:02:10Z",
    "refused_since": None,
    "forced": None,
    "rate": {"messages": 600, "seconds": 60, "next_at": None},
}
_WORKS: Final[dict[str, Any]] = {
    **_ONE,
    "name": "resend",
    "state": "closed",
    "failures": 0,
    "failure": None,
    "opened_at": None,
    "probe_at": None,
    "rate": None,
}
_FORCED: Final[dict[str, Any]] = {
    "state": "open",
    "until": "2026-11-27T14:00:00Z",
    "by": "user:019ab2c0-7f00-7000-8000-000000000007",
    "reason": "Mailjet mends its queue.",
}
ALL: Final = Example("One fails, and its fallback is called", {"items": [_ONE, _WORKS]})
FORCED: Final = Example("Forced open for two hours", {**_ONE, "forced": _FORCED})
RELEASED: Final = Example("Decided by its circuit breaker", _WORKS)
FORCE: Final = Example(
    "During provider maintenance", {"state": "open", "minutes": 120, "reason": "Mailjet mends its queue."}
)
