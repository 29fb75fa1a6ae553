"""Wrapping people's keys anew once the platform's secret was changed, so that the former one can be taken out."""

import base64
from typing import Final
from uuid import UUID

import msgspec

from singr_db._errors import SealError
from singr_db._statements import sql_text
from singr_db.batch import read_arrays
from singr_db.sealing._person_key import PersonKey
from singr_db.sealing._sealer import Sealer
from singr_db.sessions._database import Database

_AT_ONCE: Final = 1_000
_READ: Final = sql_text("""
SELECT id, wrapped FROM data_keys WHERE wrapped IS NOT NULL AND id > :after ORDER BY id LIMIT :most
""")
# A key that was destroyed in this moment stays so.
_WRITE: Final = sql_text(
    f"""
UPDATE data_keys AS k SET wrapped = row.anew
  FROM {read_arrays({"id": "uuid", "before": "bytea", "anew": "bytea"}, ":rows")}
 WHERE k.id = row.id AND k.wrapped = row.before
"""  # noqa: S608 - constants
)


class Rewrapped(msgspec.Struct, frozen=True):
    """What became of people's keys.

    Args:
        done: how many were wrapped anew with the current secret.
        unknown: how many none of the secrets opens; they stay as they are.
    """

    done: int
    unknown: int


async def rewrap_keys(db: Database, sealer: Sealer) -> Rewrapped:
    """Wrap every key that a former secret wraps with the current one; may be repeated, and run beside everything."""
    done = unknown = 0
    after = UUID(int=0)
    while True:
        async with db.platform() as session:
            rows = (await session.execute(_READ, {"after": after, "most": _AT_ONCE})).all()
            anew = []
            for row in rows:
                if sealer.is_current(row.wrapped):
                    continue
                try:
                    wrapped = PersonKey.unwrapped(sealer, row.id, row.wrapped).wrapped(sealer)
                except SealError:
                    unknown += 1
                    continue
                anew.append((row.id, *(base64.b64encode(one).decode() for one in (row.wrapped, wrapped))))
            if anew:
                await session.execute(_WRITE, {"rows": msgspec.json.encode(anew).decode()})
            done += len(anew)
        if len(rows) < _AT_ONCE:
            return Rewrapped(done, unknown)
        after = rows[-1].id
