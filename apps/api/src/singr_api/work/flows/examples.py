"""What the documentation of flows shows."""

from typing import Any, Final

from singr_api.routing.operations import Example

_ORGANIZATION: Final = "01920000-0000-7000-8000-000000000001"
_FLOW: Final = "019ab2c0-7f00-7000-8000-000000000006"
_FIRST: Final = "019ab2c0-7f00-7000-8000-000000000001"
_SECOND: Final = "019ab2c0-7f00-7000-8000-000000000002"
_LAST: Final = "019ab2c0-7f00-7000-8000-000000000007"


def _says(text: str) -> dict[str, Any]:
    return {"type": "sms.send", "payload": {"to": "+15555550100", "message": {"kind": "plain", "text": text}}}


_CREATE: Final[dict[str, Any]] = {
    "name": "tonight",
    "on_failure": "continue",
    "jobs": [
        {"ref": "doors", **_says("The doors are open.")},
        {"after": ["doors"], **_says("You are next: come to the stage.")},
    ],
    "then": _says("That was the night. Thank you!"),
}
_MORE: Final[dict[str, Any]] = {"jobs": [{"after": [_FIRST], **_says("One more song.")}], "close": True}
VIEW: Final[dict[str, Any]] = {
    "id": _FLOW,
    "organization_id": _ORGANIZATION,
    "name": "tonight",
    "state": "running",
    "on_failure": "continue",
    "total": 3,
    "completed": 0,
    "failed": 0,
    "cancelled": 0,
    "completion_job_id": _LAST,
    "created_at": "2026-11-22T12:00:00Z",
    "closed_at": "2026-11-22T12:00:00Z",
    "cancelled_at": None,
    "finished_at": None,
}
MEMBER: Final[dict[str, Any]] = {
    "id": _SECOND,
    "type": "sms.send",
    "queue": "sms",
    "status": "waiting",
    "after": [_FIRST],
    "more_after": False,
    "is_completion": False,
    "reference": None,
    "labels": [],
    "run_at": "2026-11-22T12:00:00Z",
    "started_at": None,
    "finished_at": None,
    "error": None,
}

TONIGHT: Final = Example("One after another, and one at the end", _CREATE)
MORE: Final = Example("The last one", _MORE)
MADE: Final = Example("A new flow", {**VIEW, "jobs": [{"id": _FIRST, "ref": "doors"}, {"id": _SECOND, "ref": None}]})
ADDED: Final = Example("One more member", {**VIEW, "total": 4, "jobs": [{"id": _SECOND, "ref": None}]})
ONE: Final = Example("A flow", {**VIEW, "completed": 1})
CLOSED: Final = Example("Closed", VIEW)
CANCELLED: Final = Example(
    "Cancelled", {**VIEW, "state": "cancelled", "cancelled": 3, "cancelled_at": "2026-11-22T12:05:00Z"}
)
