"""The commands of `singr-auth` about people's accounts."""

import argparse
import sys
from uuid import UUID

import msgspec

from singr_auth.accounts._errors import AccountError, NotFoundError
from singr_auth.accounts.audit._export import export_trail, last_whole_day
from singr_auth.accounts.people._administration import Administration, UserSummary
from singr_auth.accounts.people._platform_roles import PlatformRoles
from singr_auth.accounts.proofs._one_time import OneTimeTokens
from singr_auth.accounts.sessions._sessions import Sessions
from singr_config import Settings
from singr_db import Database, PlatformSession, Sealer, SingrDbError, open_object_store, sql_text

_ACTOR = "operator-shell"
_ORGANIZATIONS = sql_text(
    """
    SELECT o.id, o.slug, o.name, o.created_at,
           (SELECT count(*) FROM memberships WHERE organization_id = o.id) AS members
    FROM organizations o
    WHERE strpos(lower(o.name), lower(coalesce(CAST(:name AS text), ''))) > 0 OR o.slug = :name
    ORDER BY o.name, o.id LIMIT :limit
    """
)


async def run_accounts(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run one command; returns the exit status."""
    db = Database(settings.database, application_name="singr-auth")
    administration = Administration(
        notifier=None,
        sessions=Sessions(db),
        one_time=OneTimeTokens(Sealer(settings.auth.secret, settings.auth.previous_secrets)),
    )
    try:
        async with db.platform() as session:
            if arguments.command == "revoke-everything":
                return await _everything(arguments, administration, session)
            if arguments.action == "list":
                return await _list(arguments, administration, session)
            return await _change(arguments, administration, session)
    except AccountError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        await db.close()


async def run_audit(arguments: argparse.Namespace, settings: Settings) -> int:
    """Export the audit trail; returns the exit status."""
    db = Database(settings.database, application_name="singr-auth")
    events = 0
    try:
        async with open_object_store(settings.object_store) as objects:
            async for part in export_trail(
                db,
                objects,
                before=arguments.before or last_whole_day(),
                since=arguments.since,
                organization_id=arguments.organization,
            ):
                events += part.events
                hours = arguments.link_hours
                print(await objects.presign(part.key, hours * 3600) if hours else part.key)
    except (SingrDbError, ValueError) as error:
        print(f"singr-auth: {error}", file=sys.stderr)
        return 1
    finally:
        await db.close()
    print(f"{events} event{'' if events == 1 else 's'} exported.", file=sys.stderr)
    return 0


async def run_organizations(arguments: argparse.Namespace, settings: Settings) -> int:
    """List organizations, by name; returns the exit status."""
    db = Database(settings.database, application_name="singr-auth")
    try:
        async with db.platform() as session:
            found = await session.execute(_ORGANIZATIONS, {"name": arguments.name, "limit": max(1, arguments.limit)})
            rows = [dict(row) for row in found.mappings()]
    finally:
        await db.close()
    if arguments.json:
        print(msgspec.json.encode(rows).decode())
        return 0
    for row in rows:
        members = f"{row['members']} member{'' if row['members'] == 1 else 's'}"
        print(f"{row['id']}  {row['slug']}  {members}  {row['name']}")
    return 0


async def _everything(arguments: argparse.Namespace, administration: Administration, session: PlatformSession) -> int:
    if not arguments.yes:
        print("Everybody has to sign in again: add --yes to do it.", file=sys.stderr)
        return 2
    ended = await administration.revoke_everything(session, actor=_ACTOR)
    print(f"Ended {ended} sessions, and made every link, challenge, invitation and known device worthless.")
    return 0


async def _list(arguments: argparse.Namespace, administration: Administration, session: PlatformSession) -> int:
    page = await administration.users(
        session,
        limit=max(1, arguments.limit),
        status=arguments.status,
        email=arguments.email,
        platform_role=arguments.role,
    )
    if arguments.json:
        print(msgspec.json.encode(page.items).decode())
        return 0
    for user in page.items:
        print(_line(user))
    if page.next_cursor is not None:
        print("There are more: raise --limit, or name an --email.", file=sys.stderr)
    return 0


async def _change(arguments: argparse.Namespace, administration: Administration, session: PlatformSession) -> int:
    user_id = await _find(arguments.user, administration, session)
    if arguments.action == "revoke-sessions":
        print(f"Ended {await administration.revoke_sessions(session, user_id, actor=_ACTOR)} sessions.")
        return 0
    if arguments.action == "grant":
        return await _grant(arguments, user_id, administration, session)
    if arguments.action == "revoke":
        return await _revoke(user_id, administration, session)
    change = administration.disable if arguments.action == "disable" else administration.enable
    print(_line(await change(session, user_id, actor=_ACTOR)))
    if arguments.action == "disable":
        print("No mail goes out from here: tell the owner, if they are to know.", file=sys.stderr)
    return 0


async def _grant(
    arguments: argparse.Namespace, user_id: UUID, administration: Administration, session: PlatformSession
) -> int:
    guarded = await PlatformRoles().grant(session, user_id, arguments.role, actor=_ACTOR)
    print(_line(await administration.user(session, user_id)))
    if not guarded:
        print("No second factor or passkey guards this account: let its owner set one up.", file=sys.stderr)
    return 0


async def _revoke(user_id: UUID, administration: Administration, session: PlatformSession) -> int:
    lost = await PlatformRoles().revoke(session, user_id, actor=_ACTOR)
    print(_line(await administration.user(session, user_id)))
    for organization_id, there in lost.items():
        for word, credentials in (("revoked", there.revoked_credentials), ("narrowed", there.narrowed_credentials)):
            for each in credentials:
                print(f"{word}: {each.key_id}  {each.name}  of organization {organization_id}")
    return 0


async def _find(named: str, administration: Administration, session: PlatformSession) -> UUID:
    try:
        return UUID(named)
    except ValueError:
        found = (await administration.users(session, limit=1, email=named)).items
        if not found:
            raise NotFoundError("user") from None
        return found[0].id


def _line(user: UserSummary) -> str:
    seen = user.last_sign_in_at.strftime("%Y-%m-%d %H:%M") if user.last_sign_in_at else "never"
    role = f"  {user.platform_role}" if user.platform_role else ""
    return f"{user.id}  {user.status}  {user.account_type}  signed in {seen}  {user.email or '-'}  {user.name}{role}"
