"""Another team's service: its own database role, its own driver, and nothing of ours but declaring and enqueueing."""

import asyncio
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
import psycopg
import pytest
from jobs_support import ORGANIZATION, Steer, jobs
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from singr_config.clock import clock as process_clock
from singr_db import GrantError, grant, new_id, revoke
from singr_db._cli import main
from singr_jobs import DeclarationError, EnqueueError, JobContext, Jobs, enqueue

OTHER = UUID("01920000-0000-7000-8000-0000000000bb")


@pytest.fixture
def role(postgres_url: str) -> Iterator[str]:
    """The name of a role that is not there yet, and is gone after the test."""
    name = f"billing_{secrets.token_hex(4)}"
    yield name
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        if admin.execute("SELECT FROM pg_roles WHERE rolname = %s", (name,)).fetchone() is not None:
            admin.execute(f"DROP OWNED BY {name}")
            admin.execute(f"DROP ROLE {name}")


@pytest.fixture
async def engine(database_url: str, role: str) -> AsyncIterator[AsyncEngine]:
    """The service's own engine, under its own role."""
    parts = urlsplit(database_url)
    engine = create_async_engine(f"postgresql+psycopg://{role}@{parts.path}?{parts.query}")
    yield engine
    await engine.dispose()


async def put(engine: AsyncEngine, organization_id: UUID = ORGANIZATION, **options) -> UUID:
    async with AsyncSession(engine) as session, session.begin():
        return await enqueue(session, Steer("from elsewhere"), organization_id=organization_id, **options)


async def test_a_role_that_was_granted_enqueues_jobs_that_run(database_url, db, role, engine, waker, working, reaches):
    assert await asyncio.to_thread(main, ["grant", role], environ={"DATABASE_URL": database_url}) == 0
    first = await put(engine)
    assert await put(engine, unique_key="once") == await put(engine, unique_key="once") != first
    async with working():
        await reaches(first, "completed")
        assert (await put(engine, unique_key="once")) != first


async def test_a_role_that_was_granted_can_do_nothing_else(database_url, role, engine):
    await asyncio.to_thread(grant, database_url, role)
    await put(engine)
    async with engine.connect() as connection:
        tables = text(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
        )
        for name in (await connection.scalars(tables)).all():
            for right in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"):
                ask = text(f"SELECT has_table_privilege('public.{name}', '{right}')")
                assert not await connection.scalar(ask), f"{right} on {name}"
        await connection.rollback()
        for statement in (
            "SELECT payload FROM jobs",
            "UPDATE jobs SET status = 'completed'",
            "DELETE FROM job_unique_keys",
            "INSERT INTO jobs (id, status) VALUES (gen_random_uuid(), 'completed')",
            "SET ROLE singr_tenant",
            "SELECT secret FROM service_credentials",
        ):
            with pytest.raises(ProgrammingError):
                await connection.execute(text(statement))
            await connection.rollback()


BEYOND = {
    "a member of the tenants' role": "GRANT singr_tenant TO {role}",
    "a member that inherits nothing": "ALTER ROLE {role} NOINHERIT; GRANT singr_tenant TO {role}",
    "a member of a reader of everything": "GRANT pg_read_all_data TO {role}",
    "a maker of roles": "ALTER ROLE {role} CREATEROLE",
    "an owner": "CREATE TABLE theirs (); ALTER TABLE theirs OWNER TO {role}",
    "a reader of one table": "GRANT SELECT ON users TO {role}",
    "a reader of one column": "GRANT SELECT (email) ON users TO {role}",
    "a reader of jobs": "GRANT SELECT ON jobs TO {role}",
    "a writer of what only workers write": "GRANT INSERT (status) ON jobs TO {role}",
}


@pytest.mark.parametrize("statement", BEYOND.values(), ids=BEYOND)
def test_a_role_that_may_do_more_is_not_granted(database_url, role, statement):
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {role}")
        for one in statement.format(role=role).split("; "):
            admin.execute(one)
        with pytest.raises(GrantError, match="may do more"):
            grant(database_url, role)
        assert admin.execute("SELECT FROM pg_policies WHERE policyname ~ %s", [role]).fetchone() is None
        admin.execute(f"REVOKE singr_tenant, pg_read_all_data FROM {role}")
        admin.execute("DROP TABLE IF EXISTS theirs")
        admin.execute(f"DROP OWNED BY {role}")


def test_a_role_in_a_harmless_group_can_be_granted(database_url, role):
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {role}_group; CREATE ROLE {role} IN ROLE {role}_group")
    try:
        assert not grant(database_url, role)
    finally:
        with psycopg.connect(database_url, autocommit=True) as admin:
            admin.execute(f"DROP ROLE {role}_group")


@pytest.mark.parametrize("payload", ["[" * 66 + "]" * 66, '"' + "x" * 1_048_576 + '"'], ids=["deep", "large"])
async def test_a_role_that_was_granted_stores_no_payload_that_callers_could_not_send(
    database_url, role, engine, payload
):
    await asyncio.to_thread(grant, database_url, role)
    await put(engine)
    insert = text(
        "INSERT INTO jobs (id, organization_id, type, queue, priority, payload, max_attempts, backoff, timeout, run_at)"
        " VALUES (:id, :organization, 'x', 'default', 0, CAST(:payload AS jsonb), 1, 1, 1, now())"
    )
    values = {"id": new_id(), "organization": ORGANIZATION, "payload": payload}
    async with engine.begin() as connection:
        with pytest.raises(ProgrammingError, match="row-level security"):
            await connection.execute(insert, values)
    async with engine.begin() as connection:
        await connection.execute(insert, values | {"payload": '{"fine": [[1]]}'})


async def test_a_role_may_be_held_to_some_organizations(database_url, role, engine):
    options = ["grant", role, "--organization", str(ORGANIZATION)]
    assert await asyncio.to_thread(main, options, environ={"DATABASE_URL": database_url}) == 0
    await put(engine)
    with pytest.raises(ProgrammingError, match="row-level security"):
        await put(engine, OTHER)
    with pytest.raises(ProgrammingError, match="row-level security"):
        await put(engine, OTHER, unique_key="once")


async def test_a_role_that_was_revoked_enqueues_nothing(database_url, role, engine):
    await asyncio.to_thread(grant, database_url, role)
    assert not await asyncio.to_thread(grant, database_url, role), "it is made once"
    assert await asyncio.to_thread(main, ["revoke", role], environ={"DATABASE_URL": database_url}) == 0
    with pytest.raises(ProgrammingError, match="permission denied"):
        await put(engine)
    await asyncio.to_thread(revoke, database_url, role)  # once more changes nothing


@pytest.mark.parametrize("granted", [False, True], ids=["without a grant", "with a grant"])
def test_revoking_takes_nothing_that_somebody_else_gave(database_url, role, capsys, *, granted: bool):
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {role}")
        if granted:
            grant(database_url, role)
        admin.execute(f"GRANT SELECT ON jobs TO {role}; GRANT USAGE ON SCHEMA public TO {role}")
        assert main(["revoke", role], environ={"DATABASE_URL": database_url}) == 0
        said = capsys.readouterr().out
        assert ("may no longer enqueue" in said) == granted
        assert ("nothing was changed" in said) != granted
        kept = (
            "SELECT has_table_privilege(%(role)s, 'jobs', 'SELECT'),"
            " has_any_column_privilege(%(role)s, 'jobs', 'INSERT'),"
            " has_any_column_privilege(%(role)s, 'job_unique_keys', 'SELECT'),"
            " EXISTS (SELECT FROM pg_namespace, aclexplode(nspacl) WHERE grantee = %(role)s::regrole)"
        )
        assert admin.execute(kept, {"role": role}).fetchone() == (True, False, False, True)


UNGRANTED = {
    "superuser": "ALTER ROLE {role} SUPERUSER",
    "member of a superuser": "GRANT {superuser} TO {role}",
    "owner": "ALTER TABLE job_unique_keys OWNER TO {role}",
    "member of the tenants' role": "GRANT singr_tenant TO {role}",
}


@pytest.mark.parametrize("statement", UNGRANTED.values(), ids=UNGRANTED)
def test_revoking_from_whoever_needs_no_grant_is_refused_and_changes_nothing(database_url, role, statement):
    access = "SELECT relacl::text FROM pg_class WHERE relname IN ('jobs', 'job_unique_keys') ORDER BY 1"
    with psycopg.connect(database_url, autocommit=True) as admin:
        own = admin.info.user
        admin.execute(f"CREATE ROLE {role}")
        try:
            admin.execute(statement.format(role=role, superuser=own))
            before = admin.execute(access).fetchall()
            with pytest.raises(GrantError, match="without a grant, and was left as it is"):
                revoke(database_url, role)
            assert admin.execute(access).fetchall() == before
        finally:
            admin.execute(f"ALTER TABLE job_unique_keys OWNER TO {own}; REVOKE {own} FROM {role}")


def test_revoking_from_the_user_of_singr_is_refused(database_url):
    with psycopg.connect(database_url) as admin, pytest.raises(GrantError, match="signs in as"):
        revoke(database_url, admin.info.user)


@pytest.mark.parametrize(
    "name", ["", "public", "pg_monitor", "singr_tenant", "a b", "a;b", 'a"b', "Ärger", "x" * 41, "singr"]
)
def test_a_name_that_cannot_be_granted_is_refused_in_words(database_url, name):
    with pytest.raises(GrantError, match=r"name must|may do that already|signs in as"):
        grant(database_url, name)


def test_a_user_without_the_right_to_grant_is_told_what_an_administrator_runs(database_url, role):
    grant(database_url, role)
    parts = urlsplit(database_url)
    with pytest.raises(GrantError, match="administrator"):
        grant(f"postgresql://{role}@{parts.path}?{parts.query}", f"{role}_b")


OTHERS = (
    "singr_db",
    "singr_config",
    "singr_observability",
    "psycopg",
    "redis",
    "dramatiq",
    "alembic",
    "loguru",
    "asyncio",
)
IMPORTS = """
import sys
sys.path[:0] = {path!r}
import singr_jobs
from singr_jobs import EnqueueError, Jobs, PermanentError, Priority, Queue, enqueue
assert not [name for name in {others!r} + ("sqlalchemy",) if name in sys.modules]
from sqlalchemy.ext.asyncio import AsyncSession
assert not [name for name in {others!r} if name in sys.modules and name != "asyncio"]
from pathlib import Path
status = Path("/proc/self/status")  # Linux: the most that was resident since this program began
print(next((int(line.split()[1]) for line in status.open() if line.startswith("VmHWM")), 0) if status.exists() else 0)
"""


def test_enqueueing_loads_msgspec_and_what_the_caller_has_already():
    """And with the caller's SQLAlchemy it all stays below 50 MB resident."""
    program = IMPORTS.format(path=[path for path in sys.path if path], others=OTHERS)
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 50_000


WITHOUT_EXTRA = """
import inspect, pydoc, sys
sys.modules["dramatiq"] = None
import singr_jobs
from singr_jobs import *
enqueue
assert not hasattr(singr_jobs, "JobWorker")
inspect.getmembers(singr_jobs)
pydoc.render_doc(singr_jobs)
for program in ("singr_jobs.JobWorker", "from singr_jobs import JobWorker"):
    try:
        exec(program)
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
"""


def test_without_the_extra_the_package_can_be_looked_through_and_what_needs_it_says_which():
    done = subprocess.run([sys.executable, "-c", WITHOUT_EXTRA], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert [line.partition(" needs dramatiq")[0] for line in said] == [
        "AttributeError: JobWorker",
        "ImportError: JobWorker",
    ]
    assert all("pip install 'singr-jobs[worker]'" in line for line in said)


class Contract(msgspec.Struct, frozen=True, tag="test.contract"):
    number: int


async def test_a_type_may_be_declared_without_its_handler_and_get_it_later():
    there, here = Jobs(), Jobs()
    there.declare(Contract, attempts=7)
    assert there.named("test.contract").attempts == 7

    @here.handler(Contract, attempts=7)
    async def handle(job: Contract, _: JobContext) -> None:
        """Does it."""

    there.include(here)
    assert there.named("test.contract").handler is handle
    with pytest.raises(DeclarationError, match="declared twice"):
        there.handler(Contract)(handle)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("a\x00b", {}, "NUL"),
        ("\ud800", {}, "cannot be stored as JSON"),
        ("x" * 1024 * 1024, {}, "store it elsewhere"),
        ("a", {"unique_key": "a\x00b"}, "unique_key"),
        ("a", {"unique_key": "\ud800"}, "unique_key"),
    ],
)
async def test_what_cannot_be_stored_is_refused_before_the_transaction_notices(db, name, options, says):
    async with db.tenant(ORGANIZATION) as session:
        with pytest.raises(EnqueueError, match=says):
            await enqueue(session, Steer(name), organization_id=ORGANIZATION, **options)
        await enqueue(session, Steer("\\u0000 is text"), organization_id=ORGANIZATION)


async def test_at_once_is_when_the_database_says(db):
    """A host whose clock is two minutes ahead makes no job wait."""
    async with db.tenant(ORGANIZATION) as session:
        with process_clock.moved(lambda: 120_000_000_000):
            job_id = await enqueue(session, Steer("now"), organization_id=ORGANIZATION)
    async with db.psycopg.connection() as connection:
        cursor = await connection.execute(
            "SELECT run_at <= now(), created_at <= now() FROM jobs WHERE id = %s", (job_id,)
        )
        assert await cursor.fetchone() == (True, True)
    assert "test.steer" in jobs


@pytest.mark.parametrize("name", ["order", "user"])
def test_a_role_may_be_named_like_a_word_of_sql(database_url, name):
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f'DROP ROLE IF EXISTS "{name}"')
        try:
            assert grant(database_url, name)
            revoke(database_url, name)
        finally:
            connection.execute(f'DROP ROLE IF EXISTS "{name}"')


@pytest.mark.parametrize("name", ["current_user", "current_role", "session_user", "public", "none", "pg_monitor"])
def test_what_postgresql_takes_for_another_role_is_refused_in_words(database_url, name):
    with pytest.raises(GrantError, match="PostgreSQL's own"):
        grant(database_url, name)
