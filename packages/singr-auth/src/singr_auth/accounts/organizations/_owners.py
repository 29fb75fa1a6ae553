"""Tells the owners of an organization what happened to it, whoever did it."""

from typing import Final
from uuid import UUID

from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts.notices._notices import EmailTarget, Notifier, SecurityEventName
from singr_auth.accounts.notices._sending import security_notice
from singr_auth.accounts.organizations._actor import OWNER, AnySession
from singr_db import sql_text

_OWNERS: Final = sql_text(
    """
    SELECT u.id, u.name, u.email FROM memberships m JOIN users u ON u.id = m.user_id JOIN roles r ON r.id = m.role_id
    WHERE m.organization_id = :organization_id AND u.status = 'active' AND u.email IS NOT NULL
      AND ((r.is_system AND r.name = :owner) OR u.id = :also)
    ORDER BY u.id
    """,
    roles=("platform", "tenant"),
)


async def tell(
    session: AnySession, notifier: Notifier, to: EmailTarget, event: SecurityEventName, client: ClientInfo | None
) -> None:
    """Send one person a security notice, in the caller's transaction."""
    await notifier.notify(session, security_notice(to, event, client))


async def tell_owners(
    session: AnySession,
    notifier: Notifier,
    organization_id: UUID,
    event: SecurityEventName,
    *,
    client: ClientInfo | None,
    also: UUID | None = None,
) -> None:
    """Send every owner a security notice, in the caller's transaction; and the member `also`, who did it perhaps."""
    people = await session.execute(_OWNERS, {"organization_id": organization_id, "owner": OWNER, "also": also})
    for person in people:
        await tell(session, notifier, EmailTarget(person.email, person.name, person.id), event, client)
