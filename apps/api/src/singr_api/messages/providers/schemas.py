"""What operators send and get for providers."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from singr_comms.notifications import Force, ProviderView
from singr_db.operation_log import LONGEST_REASON, REASON_PATTERN

PATH: Final = {
    "channel": {"type": "string", "maxLength": 40, "description": "What it delivers.", "examples": ["email"]},
    "provider": {"type": "string", "maxLength": 64, "description": "Its name.", "examples": ["mailjet"]},
}


class ForceProvider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator wants.

    Attributes:
        state: `open` calls it not at all; `closed` calls it, whatever came of the calls before.
        minutes: for how long; a week at most.
        reason: why, in one line.
    """

    state: Force
    minutes: Annotated[int, Meta(ge=1, le=10_080)] = 60
    reason: Annotated[str, Meta(min_length=1, max_length=LONGEST_REASON, pattern=REASON_PATTERN)] | None = None


class ProviderList(msgspec.Struct, frozen=True):
    """All of them, by channel and name."""

    items: tuple[ProviderView, ...]
