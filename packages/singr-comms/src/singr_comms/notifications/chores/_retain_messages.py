"""The chore that lets go of messages whose time is over."""

import time
from typing import ClassVar

from singr_comms.catalogue import message_types
from singr_comms.notifications.retention._notifications import Forgotten
from singr_comms.notifications.retention._times import Times
from singr_comms.notifications.retention._turn import TURN, MessageReport, retain_messages
from singr_config import RetentionSettings
from singr_db import Database
from singr_db.chores import Chore
from singr_db.retention import Turn, note_turn, retaining
from singr_observability import Metrics, get_logger

_log = get_logger("comms.retention")


class MessageRetention(Chore):
    """Lets go of what messages say, and of weeks of messages; of any number of processes, one does it at a time.

    Args:
        db: the database.
        settings: how long, by category.
        metrics: where it counts what it did.
    """

    name: ClassVar = "dropping old messages"
    seen_as: ClassVar = "messages.clean"
    module: ClassVar = "comms.retention"
    every = 600.0

    def __init__(self, db: Database, settings: RetentionSettings, metrics: Metrics) -> None:
        self._db = db
        self._settings = settings
        self._metrics = metrics
        self._forgotten = Forgotten()
        self._said: tuple[str, ...] = ()

    async def work(self) -> MessageReport | None:
        """One turn; answers what it did, or None where another process is at it."""
        times = Times(self._settings, message_types)
        began = time.monotonic()
        async with retaining(self._db.psycopg, TURN) as connection:
            if connection is None:
                return None
            report = await retain_messages(connection, times, forgotten=self._forgotten)
            seconds = time.monotonic() - began
            await note_turn(connection, "messages", Turn(seconds, len(report.held_up)))
        self._count(report)
        self._tell(report, times, seconds)
        return report

    def _count(self, report: MessageReport) -> None:
        self._metrics.messages_weeks_dropped.inc(len(report.dropped))
        self._metrics.messages_moved.inc(report.moved)
        self._metrics.messages_deleted.inc(report.deleted)
        self._metrics.messages_blanked.inc(report.blanked)

    def _tell(self, report: MessageReport, times: Times, seconds: float) -> None:
        if report.dropped or report.deleted or report.blanked or report.notifications:
            _log.info(
                "dropped {} in {:.1f} s; {} messages of it are kept, {} others are gone, of {} the words,"
                " and {} notifications",
                ", ".join(report.dropped) or "no week",
                seconds,
                report.moved,
                report.deleted,
                report.blanked,
                report.notifications,
            )
        words = tuple(f"a week of messages stays, and its drop is tried again: {why}" for why in report.held_up)
        words += tuple(
            f"MESSAGES_BY_CATEGORY names {name}, and no type of message that this process knows is of it"
            for name in times.strange
        )
        if words != self._said:
            self._said = words
            for one in words:
                _log.warning("{}", one)
