"""What the documentation of limits by key shows."""

from typing import Any, Final

from singr_api.routing.operations import Example

_DECLARED: Final[dict[str, Any]] = {
    "type": "billing.charge",
    "declared_concurrency": 1,
    "declared_rate": {"count": 100, "seconds": 60.0},
    "concurrency": None,
    "rate": None,
}
_SET: Final = {**_DECLARED, "concurrency": 3}
ALL: Final = Example("One type of several", {"items": [_SET]})
ONE: Final = Example("More at once than its type declares", _SET)
MORE: Final = Example("Three at once for each account", {"concurrency": 3, "reason": "The provider allows it now."})
RATE: Final = Example("Ten per minute for each bank", {"rate": {"count": 10, "seconds": 60}})
DECLARED: Final = Example("Reset to what the code declares", {"concurrency": None, "rate": None})
