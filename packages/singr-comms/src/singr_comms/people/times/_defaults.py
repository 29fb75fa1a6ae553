"""When digests of an organization come to those who have not said when they want them."""

from datetime import time
from typing import Any, Final

from singr_comms.people._forms import in_form
from singr_comms.people._memory import KeepsPeople
from singr_comms.people.recipients._model import DefaultDigestTime, clock_text
from singr_db import TenantSession, sql_text

_READ: Final = sql_text(
    "SELECT digest_at, digest_weekday FROM digest_defaults WHERE organization_id = :organization_id", roles=("tenant",)
)
_WRITE: Final = sql_text(
    """
INSERT INTO digest_defaults (organization_id, digest_at, digest_weekday)
VALUES (:organization_id, CAST(:digest_at AS time), CAST(:digest_weekday AS smallint))
ON CONFLICT (organization_id) DO UPDATE
   SET digest_at = excluded.digest_at, digest_weekday = excluded.digest_weekday, updated_at = now()
""",
    roles=("tenant",),
)


async def read_digest_defaults(session: TenantSession) -> DefaultDigestTime:
    """When an organization's digests come by default."""
    if isinstance(session, KeepsPeople):
        return session.people.digest_default
    row: Any = (await session.execute(_READ, {"organization_id": session.organization_id})).one_or_none()
    if row is None:
        return DefaultDigestTime()
    return DefaultDigestTime(at=row.digest_at and clock_text(row.digest_at), weekday=row.digest_weekday)


async def set_digest_defaults(session: TenantSession, given: DefaultDigestTime) -> DefaultDigestTime:
    """Keep it in the caller's transaction; what is open already comes at the time that it has.

    Raises:
        PeopleError: a field has not its form.
    """
    given = in_form(given, DefaultDigestTime)
    if isinstance(session, KeepsPeople):
        session.people.digest_default = given
        return given
    values = {
        "organization_id": session.organization_id,
        "digest_at": None if given.at is None else time.fromisoformat(given.at),
        "digest_weekday": given.weekday,
    }
    await session.execute(_WRITE, values)
    return given
