"""Bring a database to a revision of the schema: Alembic inside the package, one process at a time.

Alembic is imported by what uses it: most processes, and most starts, find the schema as it should be.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Final, Literal

from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, create_engine, event, pool, text
from sqlalchemy.exc import DBAPIError

from singr_config import Secret
from singr_db._errors import MigrationError
from singr_db._partitions import create_partitions
from singr_db._roles import ensure_tenant_role
from singr_db.schema._lacking import lacking
from singr_db.schema._ours import VERSION_TABLE, leaning_on_ours
from singr_db.sessions._connection import connection_parameters, prepare, set_up
from singr_db.tables import FUNCTIONS, Base

_MIGRATIONS = Path(__file__).parents[1] / "_migrations"
_ADVISORY_KEY = 0x53494E4752  # "SINGR"
_PATIENCE = "2min"
_REVISION = re.compile(r"[0-9]{4}", re.ASCII)
NEWER: Final = "newer than this program"
# Of the tables of the first migration those that nobody else calls so; what broke off may have left one of them.
_FIRST = text("SELECT coalesce(to_regclass('job_unique_keys'), to_regclass('service_credentials')) IS NOT NULL")
_THEIRS = (
    "the table alembic_version (at {current}) is another program's, as none of Singr's tables is there:"
    " give your own Alembic a version_table of its own in its env.py, rename the table to that"
    " (ALTER TABLE alembic_version RENAME TO …), and run singr-db upgrade again"
)
_LEANING = (
    "nothing was dropped, as tables or views of your own refer to Singr's: {}. Drop these first, or their foreign keys"
    " (ALTER TABLE … DROP CONSTRAINT …), and make them anew afterwards"
)
# Alembic keeps the running migration in a module global.
_one_at_a_time = threading.Lock()


def upgrade(url: Secret | str, revision: str = "head", *, weeks_ahead: int = 4) -> bool:
    """Bring the database at `url` up to `revision` and make the partitions of this week and `weeks_ahead` more.

    Makes the tenant role where it is missing. Any number of processes may call it at once: one works, the others wait
    and find the work done. Blocks; from a coroutine call it in a thread.

    A schema that is newer than this program is left as it is, so that the version before can be put back by the same
    steps that brought the new one: gives False, and True otherwise.

    Raises:
        DatabaseUrlError: the address cannot be used.
        TenantRoleError: the tenant role is missing and this user may not make it.
        MigrationError: the revision is unknown, another process has been migrating for too long, or the table
            `alembic_version` is another program's.
    """
    with _migrating(url) as connection:
        _refuse_theirs(connection)
        ensure_tenant_role(connection)
        newer = is_newer(current_revision(connection), head_revision())
        if not newer and not (revision == "head" and current_revision(connection) == head_revision()):
            _run(connection, "upgrade", revision)
        if current_revision(connection) is not None:
            create_partitions(connection, weeks_ahead=weeks_ahead)
    return not newer


def downgrade(url: Secret | str, revision: str) -> None:
    """Take the database at `url` back to `revision`; `base` removes every table of Singr's, and its data.

    Raises:
        DatabaseUrlError: the address cannot be used.
        MigrationError: the revision is unknown, the schema is newer than this program, another process has been
            migrating for too long, or the table `alembic_version` is another program's.
    """
    with _migrating(url) as connection:
        _refuse_theirs(connection)
        current = current_revision(connection)
        if is_newer(current, head_revision()):
            raise MigrationError(f"the database is at {current}, {NEWER}: only the newer release can take it back")
        _run(connection, "downgrade", revision)


def drop_everything(url: Secret | str) -> None:
    """Remove every table and function of Singr's, and its data, whatever revision the database is at.

    Raises:
        DatabaseUrlError: the address cannot be used.
        MigrationError: another process has been migrating for too long, the table `alembic_version` is another
            program's, or tables or views of somebody else's refer to Singr's; nothing was changed.
    """
    names = ", ".join([*Base.metadata.tables, VERSION_TABLE])
    with _migrating(url) as connection:
        _refuse_theirs(connection)
        if leaning := leaning_on_ours(connection):
            raise MigrationError(_LEANING.format(", ".join(leaning)))
        connection.execute(text(f"DROP TABLE IF EXISTS {names} CASCADE"))
        connection.execute(text(f"DROP FUNCTION IF EXISTS {', '.join(FUNCTIONS)}"))
        connection.commit()


def current_revision(connection: Connection) -> str | None:
    """Give the revision that the database is at; None for an empty one."""
    there = connection.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL"))
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version")) if there else None
    connection.commit()
    return revision


def whose_version(connection: Connection) -> str | None:
    """Say so where `alembic_version` is another program's, and what to do; None where it is ours, or not there.

    It is not ours where it names a revision, and what our first migration makes is not there.
    """
    current = current_revision(connection)
    ours = current is None or connection.scalar(_FIRST)
    connection.commit()
    return None if ours else _THEIRS.format(current=current)


def _refuse_theirs(connection: Connection) -> None:
    theirs = whose_version(connection)
    if theirs is not None:
        raise MigrationError(theirs)


@cache
def head_revision() -> str:
    """Give the newest revision that this version of the package knows: files of revisions begin with their number."""
    numbers = [path.name[:4] for path in (_MIGRATIONS / "versions").glob("[0-9][0-9][0-9][0-9]_*.py")]
    if not numbers:
        raise MigrationError("this installation holds no migrations: install singr-db again")
    return max(numbers)


def is_newer(current: str | None, head: str) -> bool:
    """Tell whether a database at `current` was upgraded by a later version than the one whose newest is `head`.

    Revisions of ours are four digits in order; anything else is not ours, and neither newer nor older.
    """
    return current is not None and _REVISION.fullmatch(current) is not None and current > head


def differences(connection: Connection) -> list[str]:
    """List, in words, where the models' tables are missing or other than these say, and what else they lack.

    What somebody else keeps in the same database, or added to these tables, is none of it.
    """
    from singr_db.schema._differences import different  # noqa: PLC0415 — see the module's docstring
    from singr_db.schema._fence import without_fence  # noqa: PLC0415

    found = [*different(connection), *lacking(connection), *without_fence(connection, str(_MIGRATIONS))]
    connection.commit()
    return found


@contextmanager
def connected(url: Secret | str, *, application_name: str = "singr-db") -> Iterator[Connection]:
    """Open one synchronous connection without a statement time limit, for administration."""
    parameters = connection_parameters(url, application_name=application_name)
    engine = create_engine("postgresql+psycopg://", connect_args=parameters, poolclass=pool.NullPool)
    event.listen(engine, "connect", partial(prepare, set_up(parameters)))
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def _migrating(url: Secret | str) -> Iterator[Connection]:
    """Hold the migration lock on a connection of its own, so that a migration may commit as it likes."""
    with _one_at_a_time, connected(url) as keeper, connected(url) as connection:
        keeper = keeper.execution_options(isolation_level="AUTOCOMMIT")  # noqa: PLW2901 - the same connection, in autocommit
        keeper.execute(text(f"SET lock_timeout = '{_PATIENCE}'"))
        try:
            keeper.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _ADVISORY_KEY})
        except DBAPIError as error:
            if isinstance(error.orig, LockNotAvailable):
                raise MigrationError(f"another process has been migrating this database for {_PATIENCE}") from None
            raise
        try:
            yield connection
        finally:
            connection.rollback()
            keeper.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _ADVISORY_KEY})


def _run(connection: Connection, operation: Literal["upgrade", "downgrade"], revision: str) -> None:
    from alembic import command  # noqa: PLC0415 — see the module's docstring
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        getattr(command, operation)(config, revision)
        connection.commit()
    except CommandError as error:
        connection.rollback()
        raise MigrationError(f"cannot go to revision {revision!r}: {error}") from None
