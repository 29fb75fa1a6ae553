"""The chore that drops jobs whose time is over."""

import time
from typing import ClassVar

from singr_config import RetentionSettings
from singr_db import Database
from singr_db.chores import Chore
from singr_db.retention import Report, Turn, note_turn, retain, retaining
from singr_observability import Metrics, get_logger

_log = get_logger("jobs.retention")


class Retention(Chore):
    """Drops weeks of jobs whose time is over; of any number of processes, one does it at a time."""

    name: ClassVar = "dropping old jobs"
    seen_as: ClassVar = "retention.clean"
    module: ClassVar = "jobs.retention"
    every = 600.0

    def __init__(self, db: Database, settings: RetentionSettings, metrics: Metrics) -> None:
        self._db = db
        self._settings = settings
        self._metrics = metrics
        self._said: tuple[str, ...] = ()

    async def work(self) -> Report | None:
        """One turn; answers what it did, or None where another process is at it."""
        began = time.monotonic()
        async with retaining(self._db.psycopg) as connection:
            if connection is None:
                return None
            report = await retain(connection, self._settings)
            seconds = time.monotonic() - began
            await note_turn(connection, "jobs", Turn(seconds, len(report.held_up)))
        self._tell(report, seconds)
        return report

    def _tell(self, report: Report, seconds: float) -> None:
        self._metrics.retention_dropped.inc(len(report.dropped))
        self._metrics.retention_moved.inc(report.moved)
        self._metrics.retention_deleted.inc(report.deleted)
        if report.dropped or report.deleted:
            _log.info(
                "dropped {} in {:.1f} s; {} jobs of it are kept, {} that were kept before are gone",
                ", ".join(report.dropped) or "no week",
                seconds,
                report.moved,
                report.deleted,
            )
        if report.held_up != self._said:
            self._said = report.held_up
            for why in report.held_up:
                _log.warning("a week of jobs stays, and its drop is tried again: {}", why)
