"""How many logos an organization brings: each stays for as long as its mails may be read."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from singr_comms._errors import CommsError
from singr_config.clock import clock
from singr_db import TenantSession, first_id, note_object, sql_text

MOST_LOGOS: Final = 20
"""So many in 24 hours."""
# By when ids were made, which hosts say: an hour more than is counted by the database's clock.
_LOOKED_BACK: Final = timedelta(hours=25)

_TURN: Final = sql_text(
    "SELECT pg_advisory_xact_lock(hashtextextended('logos ' || CAST(CAST(:organization_id AS uuid) AS text), 0))",
    roles=("tenant",),
)
_BROUGHT: Final = sql_text(
    """
SELECT ceil(extract(epoch FROM created_at + interval '24 hours' - now()))::int FROM noted_objects
 WHERE organization_id = :organization_id AND kind = 'logo' AND id >= :since
   AND created_at > now() - interval '24 hours'
 ORDER BY created_at DESC OFFSET :others LIMIT 1
""",
    roles=("tenant",),
)


class LogoLimitError(CommsError):
    """An organization has brought as many logos as it may in 24 hours.

    Attributes:
        retry_after: seconds until it may bring another.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__(
            f"An organization can set at most {MOST_LOGOS} logos in 24 hours: `keep` keeps the current one."
        )
        self.retry_after = retry_after


async def check_logo_limit(session: TenantSession) -> None:
    """Return if an organization may bring another logo now: asked before it is fetched.

    Raises:
        LogoLimitError: there were too many already.
    """
    bounds = {"since": first_id(clock.now() - _LOOKED_BACK), "others": MOST_LOGOS - 1}
    wait = await session.scalar(_BROUGHT, {"organization_id": session.organization_id} | bounds)
    if wait is not None:
        raise LogoLimitError(max(wait, 1))


async def note_logo(session: TenantSession, logo_id: UUID) -> None:
    """Note a logo that is about to be stored; commit that before it is.

    Raises:
        LogoLimitError: there were too many already.
    """
    await session.execute(_TURN, {"organization_id": session.organization_id})
    await check_logo_limit(session)
    await note_object(session, "logo", logo_id, organization_id=session.organization_id)
