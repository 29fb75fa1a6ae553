"""What operators send and get for providers."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from singr_comms.notifications import Force, ProviderView
from singr_db.operation_log import LONGEST_REASON, REASON_PATTERN

PATH: Final = {
    "channel": {
        "type": "string",
        "maxLength": 40,
        "description": "The channel that it delivers.",
        "examples": ["email"],
    },
    "provider": {"type": "string", "maxLength": 64, "description": "Its name.", "examples": ["mailjet"]},
}


class ForceProvider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The state to force.

    Attributes:
        state: `open` stops all calls; `closed` calls it, whatever the outcome of earlier calls.
        minutes: for how long; at most a week.
        reason: why, in one line.
    """

    state: Force
    minutes: Annotated[int, Meta(ge=1, le=10_080)] = 60
    reason: Annotated[str, Meta(min_length=1, max_length=LONGEST_REASON, pattern=REASON_PATTERN)] | None = None


class ProviderList(msgspec.Struct, frozen=True):
    """All providers, by channel and name."""

    items: tuple[ProviderView, ...]
