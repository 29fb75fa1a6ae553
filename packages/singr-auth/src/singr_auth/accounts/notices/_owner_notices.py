"""Telling people of changes to their own accounts."""

from typing import Final
from uuid import UUID

from sqlalchemy import text

from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts.notices._notices import EmailTarget, Notifier, SecurityEventName
from singr_auth.accounts.notices._telling import tell_of_change, undone_alone
from singr_db import PlatformSession

_OWNER: Final = text("SELECT name, email FROM users WHERE id = :user_id AND email IS NOT NULL")


class Telling:
    """Sends security notices to the owners of accounts."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier

    async def tell(
        self, session: PlatformSession, user_id: UUID, event: SecurityEventName, client: ClientInfo | None
    ) -> None:
        """Tell a user what changed, in the caller's transaction; nobody, where the account has no address any more.

        Args:
            session: the transaction of the change.
            user_id: whose account changed.
            event: what changed.
            client: from where; None: by somebody else, whose address is not the user's business.
        """
        owner = (await session.execute(_OWNER, {"user_id": user_id})).one_or_none()
        if owner is None:
            return
        to = EmailTarget(owner.email, owner.name, user_id)
        await tell_of_change(session, self._notifier, to, event, client)

    async def tell_safely(
        self, session: PlatformSession, user_id: UUID, event: SecurityEventName, client: ClientInfo | None
    ) -> None:
        """As `tell`, where the change must stand even if nobody can be told."""
        async with undone_alone(session, event):
            await self.tell(session, user_id, event, client)
