"""The loop that takes a process's switches to the database and back."""

from collections.abc import Iterable
from typing import Any, ClassVar

import msgspec

from singr_db._statements import sql_text
from singr_db.chores._chore import Chore
from singr_db.chores._switch import Asked, Switch
from singr_db.sessions._database import Database
from singr_observability import Metrics

# A turn that ended after it was asked for has done what was asked.
_LOOK = sql_text("""
WITH told AS (
    SELECT * FROM jsonb_to_recordset(CAST(:turns AS jsonb)) AS turn (
        name text, every float8, ago float8, seconds float8, next_in float8, failed_ago float8, error text)
), kept AS (
    INSERT INTO standing_turns (name, process, every, began_at, seconds, next_at, failed_at, error)
    SELECT name, :process, every, now() - ago * interval '1 second', seconds, now() + next_in * interval '1 second',
           now() - failed_ago * interval '1 second', error
      FROM told
    ON CONFLICT (name, process) DO UPDATE SET every = excluded.every, began_at = excluded.began_at,
       seconds = excluded.seconds, next_at = excluded.next_at, failed_at = excluded.failed_at, error = excluded.error,
       seen_at = now()
)
SELECT name, extract(epoch FROM now() - paused_at)::float8 AS paused_for,
       asked_at, extract(epoch FROM now() - asked_at)::float8 AS asked_ago,
       EXISTS (SELECT FROM standing_turns AS turn WHERE turn.name = work.name AND turn.began_at >= work.asked_at) AS had
  FROM standing_work AS work
""")


class Switches(Chore):
    """Lets operators see, pause and run this process's chores: one statement every ten seconds, whatever they are.

    Args:
        db: open for as long as it runs.
        chores: those that run in this process; the ones that have no `seen_as` are left alone.
        process: this process's name, as on its tickets.
        metrics: where it is told for how long each has been paused, 0 while it is not; nowhere unless given.
    """

    name: ClassVar = "hearing of standing work"
    every = 10.0

    def __init__(self, db: Database, chores: Iterable[Chore], *, process: str, metrics: Metrics | None = None) -> None:
        self._db = db
        self._process = process
        self._chores = {chore.seen_as: chore for chore in chores if chore.seen_as is not None}
        for chore in self._chores.values():
            chore.switch = Switch()
        gauge = None if metrics is None else metrics.standing_work_paused
        self._paused = {} if gauge is None else {name: gauge.labels(name) for name in self._chores}
        for one in self._paused.values():
            one.set(0.0)

    async def work(self) -> None:
        """Tell of turns that ended, and hear what is paused or asked for."""
        told: list[dict[str, Any]] = []
        switches = {name: chore.switch for name, chore in self._chores.items() if chore.switch is not None}
        for name, switch in switches.items():
            if switch.changed:
                told.append({"name": name, "every": self._chores[name].every, **switch.told()})
        for switch in switches.values():
            switch.changed = False
        try:
            heard = await self._look(told)
        except Exception:
            for switch in switches.values():
                switch.changed = True
            raise
        for name, switch in switches.items():
            paused_for, asked = heard.get(name, (None, None))
            switch.heard(asked, paused=paused_for is not None)
            if name in self._paused:
                self._paused[name].set(paused_for or 0.0)

    async def _look(self, told: list[dict[str, Any]]) -> dict[str, tuple[float | None, Asked | None]]:
        async with self._db.platform() as session:
            values = {"turns": msgspec.json.encode(told).decode(), "process": self._process}
            return {row.name: (row.paused_for, _asked(row)) for row in await session.execute(_LOOK, values)}


def _asked(row: Any) -> Asked | None:
    return None if row.asked_at is None or row.had else Asked(row.asked_at, row.asked_ago)
