"""What operators send and get for standing work."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from singr_api.work.shared import Reason
from singr_db.standing_work import StandingWorkView

NAME_PATH: Final = {
    "name": {"type": "string", "maxLength": 40, "description": "Its name.", "examples": ["retention.clean"]}
}


class PauseStandingWork(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why it is paused.

    Attributes:
        reason: for anybody who asks.
    """

    reason: Annotated[Reason, Meta(examples=["An export is under way."])] | None = None


class StandingWorkList(msgspec.Struct, frozen=True):
    """All standing tasks, by name."""

    items: tuple[StandingWorkView, ...]
