"""What is kept about accounts, as exports of people's data take it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from singr_auth.accounts import OwnData
from singr_comms import EmailAddress
from singr_db import Database, Sealer


class OwnAccounts:
    """Implements the `AccountData` port of `singr_comms.people`.

    Args:
        db: where accounts are kept.
        sealer: made from `AUTH_SECRET`.
    """

    def __init__(self, db: Database, sealer: Sealer) -> None:
        self._data = OwnData(db, sealer)

    async def address(self, user_id: UUID) -> EmailAddress | None:
        """Where the account is written to; None where it is not in force any more."""
        account = await self._data.account(user_id)
        return None if account is None else EmailAddress(account.email)

    async def addresses(self, user_id: UUID) -> Sequence[str]:
        """Its address and number."""
        account = await self._data.account(user_id)
        return () if account is None else tuple(filter(None, (account.email, account.phone)))

    def rows(self, user_id: UUID) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:
        """All that is kept about it."""
        return self._data.rows(user_id)
