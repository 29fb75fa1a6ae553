"""Accounts, as people who are to be reached may name them."""

from collections.abc import Collection, Mapping
from uuid import UUID

from sqlalchemy import select

from singr_comms.people import Member
from singr_db import PlatformSession, TenantSession
from singr_db.tables import Membership, User


class AccountDirectory:
    """Implements the `Directory` port of `singr_comms.people`: the members of an organization, by their accounts."""

    async def members(
        self, session: TenantSession | PlatformSession, organization_id: UUID, user_ids: Collection[UUID]
    ) -> Mapping[UUID, Member]:
        """Those who are members, until the caller's transaction ends.

        An address that nobody has proved yet is not told: it may be somebody else's.
        """
        held = select(Membership.user_id).where(
            Membership.organization_id == organization_id, Membership.user_id.in_(user_ids)
        )
        # First, so that what is read then is what changes of a member or their account left behind (they wait here).
        await session.execute(held.order_by(Membership.user_id).with_for_update(read=True))
        asked = (
            select(User.id, User.name, User.email, User.status)
            .join(Membership, Membership.user_id == User.id)
            .where(Membership.organization_id == organization_id, User.id.in_(user_ids))
        )
        rows = (await session.execute(asked)).all()
        return {row.id: Member(row.id, row.name, row.email if row.status == "active" else None) for row in rows}
