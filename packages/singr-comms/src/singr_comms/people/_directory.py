"""Who the members of an organization are, as whoever keeps accounts tells it."""

from collections.abc import Collection, Mapping
from typing import Protocol
from uuid import UUID

import msgspec

from singr_db import PlatformSession, TenantSession


class Member(msgspec.Struct, frozen=True):
    """A person with an account, who belongs to an organization.

    Args:
        user_id: the account.
        name: as the account is called.
        email: its address; None where none is proved.
        phone: its number in E.164 form; None where none is proved.
    """

    user_id: UUID
    name: str | None = None
    email: str | None = None
    phone: str | None = None


class Directory(Protocol):
    """Knows accounts; the application adapts what keeps them."""

    async def members(
        self, session: TenantSession | PlatformSession, organization_id: UUID, user_ids: Collection[UUID]
    ) -> Mapping[UUID, Member]:
        """Those of these accounts that belong to the organization."""


class NoDirectory:
    """Of a service without accounts: nobody is a member."""

    async def members(
        self,
        session: TenantSession | PlatformSession,  # noqa: ARG002 - as the port has it
        organization_id: UUID,  # noqa: ARG002 - likewise
        user_ids: Collection[UUID],  # noqa: ARG002 - likewise
    ) -> Mapping[UUID, Member]:
        """Nobody."""
        return {}
