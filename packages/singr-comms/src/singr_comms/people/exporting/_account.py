"""What is kept about a person's account, as whoever keeps accounts tells it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from singr_comms.channels.email import EmailAddress


class AccountData(Protocol):
    """Knows accounts; the application adapts what keeps them.

    Where it lacks a secret to tell all of it, it raises `singr_db.SealError`: the export is left to another process.
    """

    async def address(self, user_id: UUID) -> EmailAddress | None:
        """Where the account is written to; None where it is not in force any more."""

    async def addresses(self, user_id: UUID) -> Sequence[str]:
        """Every address and number that the account has proved to be its own: messages to these alone are told."""

    def rows(self, user_id: UUID) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:
        """All that is kept about it: rows, each with the name of its list; those of a list follow one another."""


class NoAccounts:
    """Of a service without accounts."""

    async def address(self, user_id: UUID) -> EmailAddress | None:  # noqa: ARG002 - as the port has it
        """None."""
        return None

    async def addresses(self, user_id: UUID) -> Sequence[str]:  # noqa: ARG002 - likewise
        """None."""
        return ()

    async def rows(self, user_id: UUID) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:  # noqa: ARG002 - likewise
        """Nothing."""
        nothing: tuple[tuple[str, Mapping[str, Any]], ...] = ()
        for row in nothing:
            yield row
