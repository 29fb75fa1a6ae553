"""Wrapping people's keys anew once the platform's secret was changed, so that the former one can be taken out.

What the secret itself sealed, other packages seal anew: an entry point of the group `singr_db.rewrap` is an async
function of a `Database` and a `Sealer` that returns a `Resealed` for each kind, and may be repeated.
"""

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
_SOME: Final = 10
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

    Those that cannot be opened stay as they are.

    Args:
        done: how many were wrapped anew with the current secret.
        unknown: how many are wrapped with a secret that is not known here.
        broken: how many are not what was wrapped with the secret that they name.
        such_as: some of the broken ones.
    """

    done: int
    unknown: int
    broken: int = 0
    such_as: tuple[UUID, ...] = ()


class Resealed(msgspec.Struct, frozen=True):
    """What became of one kind of what the platform's secret itself sealed.

    Args:
        what: in words, many of them.
        done: how many were sealed anew with the current secret.
        trouble: what keeps others from it, in words; None: nothing does.
    """

    what: str
    done: int
    trouble: str | None = None


async def rewrap_keys(db: Database, sealer: Sealer) -> Rewrapped:
    """Wrap every key that a former secret wraps with the current one; may be repeated, and run beside everything.

    Those of the current secret are opened as well, so that one that cannot be is told of.
    """
    done = unknown = 0
    broken: list[UUID] = []
    after = UUID(int=0)
    while True:
        async with db.platform() as session:
            rows = (await session.execute(_READ, {"after": after, "most": _AT_ONCE})).all()
            anew = []
            for row in rows:
                try:
                    key = PersonKey.unwrapped(sealer, row.id, row.wrapped)
                except SealError:
                    if sealer.knows(row.wrapped):
                        broken.append(row.id)
                    else:
                        unknown += 1
                    continue
                if not sealer.is_current(row.wrapped):
                    pair = (row.wrapped, key.wrapped(sealer))
                    anew.append((row.id, *(base64.b64encode(one).decode() for one in pair)))
            if anew:
                await session.execute(_WRITE, {"rows": msgspec.json.encode(anew).decode()})
            done += len(anew)
        if len(rows) < _AT_ONCE:
            return Rewrapped(done, unknown, len(broken), tuple(broken[:_SOME]))
        after = rows[-1].id
