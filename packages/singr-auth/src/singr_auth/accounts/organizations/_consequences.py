"""What goes with somebody's standing: their credentials, their open invitations, and their jobs that wait.

What a credential may do, and whether an invitation stands, is asked at the moment of its use (`effective_scopes` and
`invitation_stands` in the database), so none of this is needed for anybody to be refused. It makes the loss lasting,
and tells it: to whoever caused it in the answer, to the owners by mail, and to the audit trail. A job was let in when
it was asked for; what its time has not come for is cancelled with the right to ask for it.
"""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

import msgspec

from singr_auth.accounts.audit._events import record_event
from singr_auth.accounts.credentials._revocation import LostCredential, LostInvitation, cancel_jobs, revoke_where
from singr_auth.accounts.notices._notices import Notifier
from singr_auth.accounts.organizations._actor import Actor, AnySession
from singr_auth.accounts.organizations._owners import tell_owners
from singr_db import PlatformSession, sql_text

_HELD: Final = sql_text(
    """
    SELECT key_id, name, kind, effective_scopes(organization_id, holder_id, scopes) AS scopes FROM service_credentials
    WHERE organization_id = :organization_id AND holder_id IS NOT NULL AND revoked_at IS NULL
      AND (expires_at IS NULL OR expires_at > now())
    ORDER BY id
    """,
    roles=("platform", "tenant"),
)
_FALLEN: Final = """
    organization_id = :organization_id AND holder_id IS NOT NULL AND revoked_at IS NULL
    AND effective_scopes(organization_id, holder_id, scopes) IS NULL
"""
_REVOKE_INVITATIONS: Final = sql_text(
    """
    UPDATE invitations SET revoked_at = now()
    WHERE organization_id = :organization_id AND accepted_at IS NULL AND revoked_at IS NULL
      AND NOT invitation_stands(organization_id, invited_by, invited_with, role_id)
    RETURNING id, email, expires_at > now() AS open
    """,
    roles=("platform", "tenant"),
)
_MAKERS: Final = sql_text(
    """
    SELECT 'user:' || m.user_id FROM memberships m
    JOIN users u ON u.id = m.user_id JOIN role_permissions p ON p.role_id = m.role_id
    WHERE m.organization_id = :organization_id AND u.status = 'active' AND p.permission = 'jobs:write'
    """,
    roles=("platform", "tenant"),
)
# Also keys that ended: what they asked for waits on. Of one that was rotated, the last of its line answers for it.
_KEYS: Final = sql_text(
    """
    WITH RECURSIVE line AS (
        SELECT key_id, holder_id, 'jobs:write' = ANY(scopes) AS asks FROM service_credentials
        WHERE organization_id = :organization_id AND replaced_by IS NULL
        UNION ALL
        SELECT old.key_id, line.holder_id, line.asks FROM line
        JOIN service_credentials old ON old.replaced_by = line.key_id AND old.organization_id = :organization_id
    ), people AS MATERIALIZED (
        SELECT holder_id, effective_scopes(:organization_id, holder_id, ARRAY['jobs:write']) AS scopes
        FROM (SELECT DISTINCT holder_id FROM line WHERE holder_id IS NOT NULL) AS holders
    )
    SELECT key_id FROM line JOIN people USING (holder_id) WHERE asks AND 'jobs:write' = ANY(people.scopes)
    """,
    roles=("platform", "tenant"),
)
_CONCERNED: Final = sql_text(
    """
    SELECT organization_id FROM service_credentials
    WHERE holder_id = :user_id AND revoked_at IS NULL AND organization_id IS NOT NULL
    UNION
    SELECT organization_id FROM invitations WHERE invited_by = :user_id AND accepted_at IS NULL AND revoked_at IS NULL
    UNION
    SELECT organization_id FROM memberships WHERE user_id = :user_id
    ORDER BY 1
    """
)

_LOCK: Final = sql_text(
    "SELECT id FROM organizations WHERE id = ANY(CAST(:organization_ids AS uuid[])) ORDER BY id FOR NO KEY UPDATE"
)


class Consequences(msgspec.Struct, frozen=True):
    """What a change revoked, reduced or cancelled.

    Attributes:
        revoked_credentials: API keys and signing credentials whose holder no longer has access: refused everywhere
            within a second, permanently.
        narrowed_credentials: credentials with fewer permissions from now on, because their holder has fewer.
        revoked_invitations: open invitations that their sender can no longer send.
        cancelled_jobs: how many scheduled jobs were cancelled because their creator could no longer create them. Due
            jobs, and jobs created by the organization's own programs, continue.
    """

    revoked_credentials: tuple[LostCredential, ...] = ()
    narrowed_credentials: tuple[LostCredential, ...] = ()
    revoked_invitations: tuple[LostInvitation, ...] = ()
    cancelled_jobs: int = 0


class Held(msgspec.Struct, frozen=True):
    """What people may do in an organization by themselves and through credentials that they hold.

    Attributes:
        credentials: in force, with what each may do.
        job_makers: who may ask for jobs, as jobs name them; a key that ended, where whoever held it still may.
    """

    credentials: Mapping[LostCredential, frozenset[str]]
    job_makers: frozenset[str]


async def held(session: AnySession, organization_id: UUID) -> Held:
    """Return what may be done: ask before a change, and give it to `settle` after."""
    key = {"organization_id": organization_id}
    rows = await session.execute(_HELD, key)
    found = {LostCredential(row.key_id, row.name, row.kind): frozenset(row.scopes or ()) for row in rows}
    makers = (*await session.scalars(_MAKERS, key), *await session.scalars(_KEYS, key))
    return Held(found, frozenset(makers))


async def settle(
    session: AnySession, organization_id: UUID, before: Held, *, actor: Actor, notifier: Notifier | None
) -> Consequences:
    """Take away what nobody stands behind any more, in the transaction of the change, and tell of it.

    Args:
        session: the transaction of the change, which holds the organization's row.
        organization_id: whose people, roles or credentials changed.
        before: what `held` said before the change.
        actor: who made it.
        notifier: tells the owners; None: nobody is told, as from a shell that can send nothing.
    """
    key = {"organization_id": organization_id}
    fallen = await _revoke_fallen_invitations(session, organization_id)  # first, to be told: keys take theirs with them
    revoked = await revoke_where(session, _FALLEN, key)
    after = await held(session, organization_id)
    had, have = before.credentials, after.credentials
    found = Consequences(
        revoked_credentials=tuple(each for each in had if each not in have),
        narrowed_credentials=tuple(each for each in had if each in have and had[each] - have[each]),
        revoked_invitations=fallen,
        cancelled_jobs=revoked.cancelled_jobs
        + await cancel_jobs(session, before.job_makers - after.job_makers, organization_id=organization_id),
    )
    await _note(session, organization_id, found, actor)
    if notifier is not None:
        if found.revoked_credentials:
            await tell_owners(session, notifier, organization_id, "credentials_revoked", client=None)
        if found.narrowed_credentials:
            await tell_owners(session, notifier, organization_id, "credentials_narrowed", client=None)
    return found


async def _revoke_fallen_invitations(session: AnySession, organization_id: UUID) -> tuple[LostInvitation, ...]:
    gone = await session.execute(_REVOKE_INVITATIONS, {"organization_id": organization_id})
    return tuple(LostInvitation(row.id, row.email) for row in gone if row.open)


async def lock_concerned(session: PlatformSession, user_id: UUID) -> list[UUID]:
    """Return the organizations where somebody is a member, holds credentials or has invitations open, locked.

    Changes of them wait until the caller's transaction ends: else what is being made there at this moment, say a key by
    a key of theirs, would be seen by nobody. The caller holds the person's row: first a person, then organizations in
    the order of their ids, is the order everywhere.
    """
    found = list(await session.scalars(_CONCERNED, {"user_id": user_id}))
    await session.execute(_LOCK, {"organization_ids": found})
    return found


async def organizations_concerned(session: PlatformSession, user_id: UUID) -> dict[UUID, Held]:
    """Return what may be done in each of the organizations that `lock_concerned` locks.

    Ask before a change of their account, and give it to `settle_person` after.
    """
    found = await lock_concerned(session, user_id)
    return {organization_id: await held(session, organization_id) for organization_id in found}


async def settle_person(
    session: PlatformSession, before: Mapping[UUID, Held], *, actor: Actor, notifier: Notifier | None
) -> dict[UUID, Consequences]:
    """Settle every organization that `organizations_concerned` named, after a change of the person's account."""
    return {
        organization_id: await settle(session, organization_id, held_there, actor=actor, notifier=notifier)
        for organization_id, held_there in before.items()
    }


async def _note(session: AnySession, organization_id: UUID, found: Consequences, actor: Actor) -> None:
    told: dict[str, list[str] | int] = {
        "jobs.cancelled": found.cancelled_jobs,
        "credentials.revoked": [each.key_id for each in found.revoked_credentials],
        "credentials.narrowed": [each.key_id for each in found.narrowed_credentials],
        "invitations.revoked": [str(each.id) for each in found.revoked_invitations],
    }
    for kind, subjects in told.items():
        if subjects:
            await record_event(
                session,
                kind,
                organization_id=organization_id,
                actor=actor.name,
                client=actor.client,
                detail={"reason": "standing", "subjects": subjects},
            )
