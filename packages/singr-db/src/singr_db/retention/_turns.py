"""How turns of retention ended, kept for all processes: only one has a turn, and all of them tell."""

from collections.abc import Mapping
from typing import NamedTuple

from singr_db._statements import sql
from singr_db.retention._weeks import Connection

_NOTE = sql("""
INSERT INTO retention_turns (name, ended_at, seconds, held_up) VALUES (%(name)s, now(), %(seconds)s, %(held_up)s)
ON CONFLICT (name) DO UPDATE
   SET ended_at = excluded.ended_at, seconds = excluded.seconds, held_up = excluded.held_up
""")
_LAST = sql("SELECT name, seconds, held_up FROM retention_turns")


class Turn(NamedTuple):
    """How a turn ended: how long it took, and how many weeks should be gone and are not."""

    seconds: float
    held_up: int


async def note_turn(connection: Connection, of: str, turn: Turn) -> None:
    """Put down how a turn has ended.

    Args:
        connection: in autocommit, as `retaining` lends it.
        of: whose weeks it let go of: `jobs` or `messages`.
        turn: how it ended.
    """
    await connection.execute(_NOTE, {"name": of, **turn._asdict()})


async def last_turns(connection: Connection) -> Mapping[str, Turn]:
    """How the last turns ended, in whichever process, by whose weeks they let go of."""
    rows = await (await connection.execute(_LAST)).fetchall()
    return {name: Turn(seconds, held_up) for name, seconds, held_up in rows}
