"""How many messages a provider is given in a time, over all processes together."""

import asyncio
import random
from collections.abc import Sequence
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from singr_comms.notifications.sending._line_ups import Wait
from singr_db import Database, sql, sql_text

PACED: Final = "provider_rate"
# Seconds for which a message whose turn is near waits in hand, rather than go back to its queue.
_NEAR: Final = 2.0
# Seconds after which a message that is far back in the line asks again, whatever its place.
_LONGEST: Final = 600.0
_PATIENCE: Final = 2.0

# What a crash of the database would forget of it is a second's worth.
_UNFLUSHED: Final = sql_text("SELECT set_config('synchronous_commit', 'off', true)")
_TURN: Final = sql_text("""
UPDATE provider_health SET next_at = greatest(next_at, now()) + :step * interval '1 second'
 WHERE channel = :channel AND provider = :provider AND coalesce(next_at <= now() + :near * interval '1 second', true)
RETURNING extract(epoch FROM next_at - now())::float8 - :step AS wait
""")
_PLACE: Final = sql_text("""
UPDATE provider_health
   SET line_at = least(greatest(line_at, next_at), now() + :longest * interval '1 second') + :step * interval '1 second'
 WHERE channel = :channel AND provider = :provider
RETURNING extract(epoch FROM line_at - now())::float8 - :step AS wait
""")
_LOOK: Final = sql("""
SELECT extract(epoch FROM next_at - now())::float8 FROM provider_health
 WHERE channel = %(channel)s AND provider = %(provider)s AND next_at > now() + %(near)s * interval '1 second'
""")


def paced(provider: str, wait: float) -> Wait:
    """The door of a provider that is given no more for so long."""
    return wait, f"{provider} is given no more for now", PACED


class Pace:
    """Gives each call of a provider a turn of its own, evenly apart, from the row that its processes share.

    A message whose turn is near waits for it in hand. One that is farther back is told when to ask again: each at
    another time, so that they do not all come at once, and not later than ten minutes. Turns are kept for nobody
    meanwhile, so that a new message, such as a code, need not wait behind a long line.

    Without the database nothing is held back: then no attempt can begin either.

    Args:
        db: the database.
        rates: provider, messages and seconds; whoever is not named has no limit.
    """

    def __init__(self, db: Database, rates: Sequence[tuple[str, int, int]]) -> None:
        self._db = db
        self._steps = {provider: seconds / count for provider, count, seconds in rates}

    async def wait(self, channel: str, provider: str) -> float:
        """Wait for a turn that is near; returns 0.0 once it has come, or else the seconds after which to ask again."""
        step = self._steps.get(provider)
        if step is None:
            return 0.0
        values = {"channel": channel, "provider": provider, "step": step, "near": _NEAR, "longest": _LONGEST}
        try:
            async with asyncio.timeout(_PATIENCE), self._db.platform() as session:
                await session.execute(_UNFLUSHED)
                turn: float | None = await session.scalar(_TURN, values)
                place: float | None = None if turn is not None else await session.scalar(_PLACE, values)
        except (SQLAlchemyError, OSError):
            return 0.0
        if turn is not None:
            await asyncio.sleep(max(turn, 0.0))
            return 0.0
        if place is None:
            return 0.0  # nobody has a row of it yet
        return place if place < _LONGEST else random.uniform(_LONGEST / 2, _LONGEST)  # noqa: S311 - spreads load

    async def look(self, channel: str, provider: str) -> float:
        """Seconds for which a message would wait in its queue, were it sent now; takes no turn, and no session."""
        if provider not in self._steps:
            return 0.0
        values = {"channel": channel, "provider": provider, "near": _NEAR}
        async with self._db.psycopg.connection() as connection:
            found = await (await connection.execute(_LOOK, values)).fetchone()
        return 0.0 if found is None else float(found[0])
