"""`singr-db`: set up, seed, check and reset the database that DATABASE_URL names."""

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from uuid import UUID

from singr_config import (
    AppEnv,
    AppSettings,
    AuthSettings,
    ConfigurationError,
    DatabaseSettings,
    RetentionSettings,
    Secret,
    load_section,
)
from singr_config.pipes import reader_may_go
from singr_db._errors import SingrDbError
from singr_db._partitions import Partition, detached_partitions
from singr_db.retention import foresee, retaining
from singr_db.schema._check import check
from singr_db.schema._grants import grant, revoke
from singr_db.schema._migrate import connected, current_revision, downgrade, drop_everything, upgrade
from singr_db.schema._restored import tell_of_restore
from singr_db.schema._seed import seed
from singr_db.sealing._rewrap import rewrap_keys
from singr_db.sealing._sealer import Sealer
from singr_db.sealing._still_sealed import still_sealed
from singr_db.sessions._database import Database
from singr_db.sessions._error_words import DATABASE_ERRORS, database_error_words, leave_pools_unheard
from singr_db.sessions._poolers import refuse_transaction_pooling

_FAILED = 1
_REFUSED = 2
_MADE = " It was made, and has no password yet: ALTER ROLE … PASSWORD, or another way to sign in (pg_hba.conf)."
_DESTRUCTIVE = frozenset({"downgrade", "reset"})


class _RefusedError(Exception):
    """A command that destroys data was given in production."""


@reader_may_go
def main(arguments: Sequence[str] | None = None, *, environ: Mapping[str, str] | None = None) -> int:
    """Run one command; gives 0, or 1 when it failed, or 2 when it was refused or the configuration is wrong."""
    chosen = _parser().parse_args(arguments)
    leave_pools_unheard()
    try:
        if chosen.command in _DESTRUCTIVE and not chosen.force:
            _refuse_in_production(chosen.command, environ)
        if chosen.command == "retention":
            asyncio.run(_foresee(load_section(DatabaseSettings, environ), load_section(RetentionSettings, environ)))
            return 0
        if chosen.command == "rewrap-keys":
            known = load_section(AuthSettings, environ)
            return asyncio.run(_rewrap(load_section(DatabaseSettings, environ), known))
        return _run(chosen, load_section(DatabaseSettings, environ))
    except _RefusedError as error:
        print(f"singr-db: {error}", file=sys.stderr)
        return _REFUSED
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return _REFUSED
    except SingrDbError as error:
        print(f"singr-db: {error}", file=sys.stderr)
    except DATABASE_ERRORS as error:
        print(f"singr-db: {database_error_words(error)}", file=sys.stderr)
    return _FAILED


def _refuse_in_production(command: str, environ: Mapping[str, str] | None) -> None:
    if load_section(AppSettings, environ).env is AppEnv.PRODUCTION:
        raise _RefusedError(f"{command} destroys data; in production it needs --force")


def _run(chosen: argparse.Namespace, settings: DatabaseSettings) -> int:
    url = settings.url
    asyncio.run(refuse_transaction_pooling(url))
    match chosen.command:
        case "upgrade":
            if upgrade(url, chosen.revision):
                print(f"The database is at revision {_revision(url)}.")
                for week in _detached(url):
                    print(f"singr-db: {week.attaching}.", file=sys.stderr)
            else:
                print("The database is newer than this program, and is left as it is: install the newer release.")
        case "downgrade":
            downgrade(url, chosen.revision)
            print(f"The database went down to {_revision(url)}.")
        case "seed":
            asyncio.run(_seed(settings, demo=chosen.demo))
        case "reset":
            drop_everything(url)
            upgrade(url)
            print("All of Singr's tables were dropped and made anew.")
            asyncio.run(_seed(settings, demo=chosen.demo))
        case "grant" | "revoke":
            _granted(chosen, url)
        case "restored":
            moved = tell_of_restore(url)
            print(f"Processes read anew who may do what, and whoever has one of {moved} inboxes open reads it anew.")
        case _:
            return _check(settings)
    return 0


def _granted(chosen: argparse.Namespace, url: Secret) -> None:
    if chosen.command == "grant":
        made = grant(url, chosen.name, organizations=chosen.organization)
        print(f"The role {chosen.name} may enqueue jobs, and nothing else." + (_MADE if made else ""))
    elif revoke(url, chosen.name):
        print(f"The role {chosen.name} may no longer enqueue jobs. It stays until DROP ROLE.")
    else:
        print(f"The role {chosen.name} has no grant of singr-db grant: nothing was changed.")


def _revision(url: Secret) -> str:
    """Where the schema stands, which `head` and `-1` do not tell."""
    with connected(url) as connection:
        return current_revision(connection) or "base: nothing of Singr's is left in it"


def _detached(url: Secret) -> list[Partition]:
    with connected(url) as connection:
        return detached_partitions(connection)


async def _seed(settings: DatabaseSettings, *, demo: bool) -> None:
    async with Database(settings, application_name="singr-db") as db:
        await seed(db, demo=demo)
    print("Permissions and system roles are in place" + (", and so is Demo Karaoke." if demo else "."))


# Other packages say by the entry point what they let go of: this one knows none of them.
async def _foresee(settings: DatabaseSettings, kept: RetentionSettings) -> None:
    async with Database(settings, application_name="singr-db") as db, retaining(db.psycopg) as connection:
        if connection is None:
            print("A worker is dropping jobs just now: ask again in a moment.")
            return
        for span in await foresee(connection, kept):
            when = f"stays until {span.goes_at:%Y-%m-%d %H:%M} UTC"
            if span.survivors is not None:
                when = f"goes now; {span.survivors} of its jobs are kept"
            print(f"{span.name}: {when}")
        for point in entry_points(group="singr_db.retention"):
            try:
                foresees = point.load()
            except ModuleNotFoundError as error:
                print(f"{point.name}: not told, since {error.name} is not installed")
                continue
            for line in await foresees(connection, kept):
                print(line)


async def _rewrap(settings: DatabaseSettings, known: AuthSettings) -> int:
    async with Database(settings, application_name="singr-db") as db:
        sealer = Sealer(known.secret, known.previous_secrets)
        keys = await rewrap_keys(db, sealer)
        print(f"{keys.done} keys of people were wrapped anew with AUTH_SECRET.")
        await _reseal(db, sealer)
        left = await still_sealed(db, sealer)
    if keys.unknown:
        print(f"singr-db: {keys.unknown} were wrapped with a secret that AUTH_SECRET_PREVIOUS lacks.", file=sys.stderr)
    if keys.broken:
        some = ", ".join(map(str, keys.such_as))
        print(
            f"singr-db: {keys.broken} were altered, and nothing opens them: {some}. Whoever is put"
            " (PUT /v1/recipients/{external_id}) gets another.",
            file=sys.stderr,
        )
    for kind in left:
        if kind.former:
            until = f" (the last is due {kind.until:%Y-%m-%d %H:%M} UTC)" if kind.until else ""
            print(f"singr-db: {kind.what} that need a former secret: {kind.former}{until}.", file=sys.stderr)
        if kind.unknown:
            print(
                f"singr-db: {kind.what} that need a secret which AUTH_SECRET_PREVIOUS lacks: {kind.unknown}.",
                file=sys.stderr,
            )
    return _FAILED if keys.unknown or keys.broken or left else 0


async def _reseal(db: Database, sealer: Sealer) -> None:
    """What stays under a former secret is counted afterwards."""
    for point in entry_points(group="singr_db.rewrap"):
        try:
            rewrap = point.load()
        except ModuleNotFoundError as error:
            print(f"{point.name}: nothing was sealed anew, since {error.name} is not installed")
            continue
        for kind in await rewrap(db, sealer):
            print(f"{kind.done} {kind.what} were sealed anew with AUTH_SECRET.")
            if kind.trouble is not None:
                print(f"singr-db: {kind.trouble}", file=sys.stderr)


def _check(settings: DatabaseSettings) -> int:
    findings = check(settings.url)
    for finding in findings:
        print(f"{'ok  ' if finding.ok else 'FAIL'} {finding.name}: {finding.detail}")
    return 0 if all(finding.ok for finding in findings) else _FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="singr-db", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser(
        "upgrade", help="upgrade the schema and create partitions; safe to run from several machines"
    )
    up.add_argument("revision", nargs="?", default="head", help="where to stop [head]")
    down = commands.add_parser("downgrade", help="downgrade the schema")
    down.add_argument("revision", nargs="?", default="-1", help="where to go [-1: one revision]; base removes all")
    seeding = commands.add_parser("seed", help="create permissions and system roles; may be repeated")
    reset = commands.add_parser("reset", help="drop all of Singr's tables, create them again and seed")
    granting = commands.add_parser("grant", help="let another service's role enqueue jobs; creates the role if missing")
    granting.add_argument("name", help="the role")
    granting.add_argument(
        "--organization",
        type=UUID,
        action="append",
        default=[],
        metavar="ID",
        help="only for this one [any]; repeat it",
    )
    revoking = commands.add_parser("revoke", help="revoke what grant granted")
    revoking.add_argument("name", help="the role")
    commands.add_parser(
        "retention", help="say what a worker would drop of jobs and messages, and when; changes nothing"
    )
    commands.add_parser(
        "rewrap-keys",
        help="wrap and seal anew with AUTH_SECRET, and count what still needs a former one; exit code 1 if anything",
    )
    commands.add_parser(
        "restored",
        help="after a restore to an earlier moment: let processes and open inboxes read anew; may be repeated",
    )
    commands.add_parser("check", help="is the database fit for this version? exit code 1 if not")
    for command in (seeding, reset):
        command.add_argument("--demo", action="store_true", help="add the organization Demo Karaoke")
    for command in (down, reset):
        command.add_argument("--force", action="store_true", help="allow it in production")
    return parser


if __name__ == "__main__":
    sys.exit(main())
