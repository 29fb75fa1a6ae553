"""What operators send and get for standing work."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from singr_db.standing_work import LONGEST_REASON, StandingWorkView

NAME_PATH: Final = {
    "name": {"type": "string", "maxLength": 40, "description": "Its name.", "examples": ["retention.clean"]}
}
_Reason = Annotated[str, Meta(min_length=1, max_length=LONGEST_REASON, examples=["An export is under way."])]


class PauseStandingWork(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why it rests.

    Attributes:
        reason: for whoever wonders.
    """

    reason: _Reason | None = None


class StandingWorkList(msgspec.Struct, frozen=True):
    """All standing work, by name."""

    items: tuple[StandingWorkView, ...]
