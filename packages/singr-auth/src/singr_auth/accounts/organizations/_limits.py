"""How many invitations go out: an organization's people choose whom we write to, and most of those know neither."""

from typing import Final, Protocol
from uuid import UUID

from singr_auth.accounts.people._users import formed_email, mailbox_subject
from singr_config.constants import RATE_LIMITS, RateLimit, RateLimits
from singr_db import Database, sql_text

INVITATIONS_A_DAY: Final = RateLimit(50, 86_400)
"""Messages that one organization may have sent to people who are no members."""
_ADDRESS: Final = sql_text(
    "SELECT email FROM invitations WHERE organization_id = :organization_id AND id = :id", roles=("tenant",)
)


class Guard(Protocol):
    """Counts uses; `SignInGuard` is one."""

    async def limit(self, name: str, subject: str, limit: RateLimit) -> None:
        """Raise `GuardLimitedError` where `limit` is used up, `GuardUnavailableError` where that cannot be told."""


class InvitationLimits:
    """Counts invitations by organization, and by the address that they go to, whichever organization they come from.

    Asks Redis, so it is called before the transaction of `Invitations.create` or `resend` is opened; what they then
    refuse has been counted all the same.

    Args:
        db: where the addresses of invitations are kept.
        guard: counts; fails closed.
        rates: as many invitations go to an address as sign-in links.
    """

    def __init__(self, db: Database, guard: Guard, *, rates: RateLimits = RATE_LIMITS) -> None:
        self._db = db
        self._guard = guard
        self._to_address = rates.magic_link

    async def count_new(self, organization_id: UUID, email: str) -> None:
        """Count an invitation that is about to go to this address.

        Raises:
            InvalidValueError: it has not the form of an address.
            GuardLimitedError: 50 a day by this organization, or 5 an hour to this address by anybody.
            GuardUnavailableError: they cannot be counted.
        """
        await self._count(organization_id, formed_email(email))

    async def count_resent(self, organization_id: UUID, invitation_id: UUID) -> None:
        """Count an invitation that is about to go out again; where there is none, `resend` says so. Errors as above."""
        async with self._db.tenant(organization_id) as session:
            key = {"organization_id": organization_id, "id": invitation_id}
            email: str | None = await session.scalar(_ADDRESS, key)
        if email is not None:
            await self._count(organization_id, email)

    async def _count(self, organization_id: UUID, email: str) -> None:
        # The organization first: one that has sent enough must not use up what others may send to an address.
        await self._guard.limit("invitation.organization", str(organization_id), INVITATIONS_A_DAY)
        await self._guard.limit("invitation.address", mailbox_subject(email), self._to_address)
