"""`singr-auth`: the credentials of services, people's accounts, and the switch for incidents."""

import argparse
import asyncio
import datetime as dt
import json
import sys
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from singr_config import ConfigurationError, Settings, load_settings
from singr_config.clock import clock
from singr_config.pipes import reader_may_go

MOST_DAYS = 3650
MOST_HOURS = 168
_NOUNS = {"api_key": "api_key", "signing": "service_credential"}
PLATFORM_ROLES = ("admin", "support_admin")  # as `PlatformRoles` has them, which takes the database
DEFAULT_SCOPES = ("jobs:read", "jobs:write", "notifications:read", "notifications:write")


@reader_may_go
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        from singr_auth.accounts import AccountError, UnknownOrganizationError, UnknownScopeError  # noqa: PLC0415 — the extra [accounts] may be absent
        from singr_db import DATABASE_ERRORS, SingrDbError, database_error_words, leave_pools_unheard  # noqa: PLC0415 — likewise
    except ImportError:
        print("singr-auth's commands need the database: install singr-auth[accounts].", file=sys.stderr)
        return 2
    leave_pools_unheard()
    try:
        return asyncio.run(_run(arguments, load_settings()))
    except (AccountError, ConfigurationError, UnknownOrganizationError, UnknownScopeError) as error:
        print(error, file=sys.stderr)
        return 2
    except SingrDbError as error:
        print(f"singr-auth: {error}", file=sys.stderr)
    except DATABASE_ERRORS as error:
        print(f"singr-auth: {database_error_words(error)}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="singr-auth", description="Credentials and accounts. DATABASE_URL says where."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create-credential", help="create a credential and show its secret, once")
    create.add_argument("--name", required=True, help="which service it is for")
    create.add_argument("--organization", type=UUID, help="the one organization it may act for (default: any)")
    create.add_argument("--kind", choices=("signing", "api_key"), default="signing")
    create.add_argument("--scope", action="append", help=f"may be repeated (default: {', '.join(DEFAULT_SCOPES)})")
    create.add_argument("--expires-in-days", type=_days, help=f"at most {MOST_DAYS} (default: until revoked)")
    create.add_argument("--json", action="store_true", help="one JSON object, for scripts")
    listing = commands.add_parser("list", help="list credentials, without secrets")
    listing.add_argument("--json", action="store_true", help="one JSON array, for scripts")
    revoke = commands.add_parser("revoke", help="revoke a credential; refused everywhere within a second")
    revoke.add_argument("key_id")
    _add_users(commands)
    _add_organizations(commands)
    _add_audit(commands)
    everything = commands.add_parser(
        "revoke-everything", help="incident: end all sessions of everybody, and invalidate all links"
    )
    everything.add_argument("--yes", action="store_true", help="required: everybody has to sign in again")
    return parser


def _add_users(commands: Any) -> None:
    users = commands.add_parser("users", help="find, disable and enable accounts, end sessions, give roles")
    actions = users.add_subparsers(dest="action", required=True)
    listing = actions.add_parser("list", help="list accounts, newest first")
    listing.add_argument("--status", choices=("pending", "active", "disabled", "deleted"))
    listing.add_argument("--email", help="the account with this address")
    listing.add_argument("--role", choices=PLATFORM_ROLES, help="those who have this role on the platform")
    listing.add_argument("--limit", type=int, default=50, help="(default: 50)")
    listing.add_argument("--json", action="store_true", help="one JSON array, for scripts")
    for action, words in (
        ("disable", "shut an account; its sessions end within a second"),
        ("enable", "open it again"),
        ("revoke-sessions", "end its sessions; its owner signs in anew"),
    ):
        actions.add_parser(action, help=words).add_argument("user", help="id or e-mail address")
    grant = actions.add_parser("grant", help="give a role on the platform, such as admin; in force within a second")
    grant.add_argument("user", help="id or e-mail address of an account that is active")
    grant.add_argument("role", choices=PLATFORM_ROLES)
    revoke = actions.add_parser(
        "revoke", help="take the role on the platform, and the permissions that credentials had through it"
    )
    revoke.add_argument("user", help="id or e-mail address")


def _add_organizations(commands: Any) -> None:
    organizations = commands.add_parser("organizations", help="find organizations")
    listing = organizations.add_subparsers(dest="action", required=True).add_parser("list", help="by name")
    listing.add_argument("--name", help="a part of the name, or the slug")
    listing.add_argument("--limit", type=int, default=50, help="(default: 50)")
    listing.add_argument("--json", action="store_true", help="one JSON array, for scripts")


def _add_audit(commands: Any) -> None:
    audit = commands.add_parser("audit", help="export the audit trail to the object store")
    export = audit.add_subparsers(dest="action", required=True).add_parser(
        "export", help="write it as JSON Lines, and show where each part is stored"
    )
    export.add_argument("--before", type=_day, help="events of days (UTC) before this one (default: today)")
    export.add_argument("--since", type=_day, help="of this day and after it (default: all)")
    export.add_argument("--organization", type=UUID, help="of this organization (default: everybody's)")
    export.add_argument("--link-hours", type=_hours, metavar="N", help="show links that anybody can follow for N hours")


async def _run(arguments: argparse.Namespace, settings: Settings) -> int:
    if arguments.command in {"audit", "organizations", "users", "revoke-everything"}:
        from singr_auth.accounts import _cli  # noqa: PLC0415 — as above

        runs = {"audit": _cli.run_audit, "organizations": _cli.run_organizations}
        return await runs.get(arguments.command, _cli.run_accounts)(arguments, settings)
    from singr_auth.accounts import ServiceCredentials  # noqa: PLC0415 — as above
    from singr_db import Database, Sealer  # noqa: PLC0415 — the extra [accounts] may be absent

    db = Database(settings.database, application_name="singr-auth")
    sealer = Sealer(settings.auth.secret, settings.auth.previous_secrets)
    credentials = ServiceCredentials(db, sealer, settings.ingestion)
    try:
        async with db.platform() as session:
            if arguments.command == "create-credential":
                return await _create(arguments, credentials, session)
            if arguments.command == "list":
                return await _list(arguments, credentials, session)
        return await _revoke(arguments.key_id, credentials, db)
    finally:
        await db.close()


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a day such as 2026-11-26, not {text!r}") from None


def _hours(text: str) -> int:
    hours = int(text)
    if not 1 <= hours <= MOST_HOURS:
        raise argparse.ArgumentTypeError(f"must be 1 to {MOST_HOURS}")
    return hours


def _days(text: str) -> float:
    days = float(text)
    if not 0 < days <= MOST_DAYS:
        raise argparse.ArgumentTypeError(f"must be more than 0 and at most {MOST_DAYS} days")
    return days


async def _create(arguments: argparse.Namespace, credentials: Any, session: Any) -> int:
    days = arguments.expires_in_days
    options = {
        "name": arguments.name,
        "organization_id": arguments.organization,
        "scopes": arguments.scope or DEFAULT_SCOPES,
        "expires_at": None if days is None else clock.now() + dt.timedelta(days=days),
    }
    make = credentials.create_signing_credential if arguments.kind == "signing" else credentials.create_api_key
    new = await make(session, **options)
    await _note(session, f"{_NOUNS[new.kind]}.created", new.key_id, new.organization_id)
    shown = {
        "key_id": new.key_id,
        "kind": new.kind,
        "secret": new.secret.reveal(),
        "organization_id": None if new.organization_id is None else str(new.organization_id),
        "scopes": sorted(new.scopes),
    }
    if arguments.json:
        print(json.dumps(shown))
        return 0
    for label, value in shown.items():
        text = ", ".join(value) if isinstance(value, list) else value or "any"
        print(f"{label + ':':<17}{text}")
    print("Keep the secret now: it is not shown again.", file=sys.stderr)
    return 0


async def _revoke(key_id: str, credentials: Any, db: Any) -> int:
    async with db.platform() as session:
        revoked = await credentials.revoke(session, key_id)
        for gone in revoked.key_ids:
            await _note(session, "credential.revoked", gone, None)
    if not revoked:
        print(f"There is no credential {key_id} in force.", file=sys.stderr)
        return 1
    await asyncio.sleep(credentials.REMEMBERED_SECONDS)  # a stolen key may still do its worst in that moment
    async with db.platform() as session:
        late = await credentials.revoke_late(session, revoked.key_ids)
        for gone in late.key_ids:
            await _note(session, "credential.revoked", gone, None)
    cancelled = revoked.cancelled_jobs + late.cancelled_jobs
    print(f"Revoked {', '.join((*revoked.key_ids, *late.key_ids))}. Cancelled {cancelled} waiting jobs.")
    for kept in revoked.kept_credentials:
        print(f"{kept.key_id} ({kept.name}), which took its place, stays: it did not make that one by itself.")
    return 0


async def _note(session: Any, kind: str, key_id: str, organization_id: UUID | None) -> None:
    from singr_auth.accounts.audit._events import record_event  # noqa: PLC0415 — the extra [accounts] may be absent

    detail = {"key_id": key_id, "holder": "organization" if organization_id else "platform"}
    await record_event(session, kind, organization_id=organization_id, actor="operator-shell", detail=detail)


async def _list(arguments: argparse.Namespace, credentials: Any, session: Any) -> int:
    rows = await credentials.list(session)
    if arguments.json:
        print(msgspec.json.encode(rows).decode())
        return 0
    for row in rows:
        state = "revoked" if row.revoked_at else "expired" if _past(row.expires_at) else "in force"
        used = row.last_used_at.strftime("%Y-%m-%d %H:%M") if row.last_used_at else "never"
        whose = row.organization_id or "any organization"
        held = f"held by {row.holder_id}" if row.holder_id else "held by nobody"
        scopes = ", ".join(row.effective_scopes)
        print(f"{row.key_id}  {row.kind}  {state}  used {used}  {whose}  {held}  {row.name}  [{scopes}]")
    return 0


def _past(moment: dt.datetime | None) -> bool:
    return moment is not None and moment <= clock.now()
