"""The port by which whoever keeps copies of what accounts say hears that it changed."""

from typing import Protocol

from singr_auth.accounts.notices._notices import EmailTarget
from singr_db import PlatformSession


class Follower(Protocol):
    """Keeps what it copied from accounts as they have it; apps make one of whatever keeps copies."""

    async def account_changed(self, session: PlatformSession, before: EmailTarget, after: EmailTarget | None) -> None:
        """Follow a change of name or address, or the account's end, in the transaction that makes it.

        Args:
            session: the transaction of the change, which holds the account's row.
            before: what the account said until now, with its id.
            after: what it says from now on; None: the account has ended, and its memberships with it.
        """


class NoFollower:
    """Where nobody keeps copies."""

    async def account_changed(self, session: PlatformSession, before: EmailTarget, after: EmailTarget | None) -> None:
        """Nothing follows."""
