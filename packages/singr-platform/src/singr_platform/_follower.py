"""What organizations' recipients have from accounts, as accounts have it."""

from typing import Final
from uuid import UUID

from singr_auth.accounts import EmailTarget
from singr_comms.people import Member, follow_account
from singr_db import PlatformSession, Sealer, sql_text

# Whoever is copying from the account at this moment holds the membership: what they put is found below.
_LOCK: Final = sql_text(
    "SELECT organization_id FROM memberships WHERE user_id = :user_id ORDER BY organization_id FOR NO KEY UPDATE"
)


class RecipientsFollow:
    """Implements the `Follower` port of `singr_auth.accounts`.

    Args:
        sealer: made from `AUTH_SECRET`.
    """

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    async def account_changed(self, session: PlatformSession, before: EmailTarget, after: EmailTarget | None) -> None:
        """Let names and addresses that were taken from the account be what it says now, or go with it."""
        if (user_id := before.user_id) is None:
            return
        await session.execute(_LOCK, {"user_id": user_id})
        now = None if after is None else _member(user_id, after)
        await follow_account(session, _member(user_id, before), now, sealer=self._sealer)


def _member(user_id: UUID, account: EmailTarget) -> Member:
    return Member(user_id, account.name, account.email or None)
