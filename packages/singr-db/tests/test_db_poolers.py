"""Behind a real PgBouncer: session mode works, transaction mode is refused in words."""

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from sqlalchemy import text

from singr_config import DatabaseSettings, Secret
from singr_db import DEMO_ORGANIZATION_ID, Database, PoolerError, refuse_transaction_pooling
from singr_db._cli import main
from singr_dev.testing import absent

_PROGRAM = shutil.which("pgbouncer", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))


@pytest.fixture
def pooled(database_url: str) -> Iterator[Callable[..., str]]:
    """`pooled("session")`: the address of the test's database through a PgBouncer in that mode."""
    if _PROGRAM is None:
        absent("no pgbouncer is installed here (Debian: apt-get install pgbouncer)")
    with ExitStack() as stack:
        yield lambda mode, **options: stack.enter_context(_PgBouncer(_PROGRAM, database_url, mode, options))


class _PgBouncer:
    def __init__(self, program: str, url: str, mode: str, options: dict[str, object]) -> None:
        self._server = options.pop("server", None)  # where PostgreSQL is said to be, instead of where it is
        parts = urlsplit(url)
        self._database = parts.path.removeprefix("/")
        self._directory = Path(tempfile.mkdtemp(prefix="pgb-", dir="/tmp"))
        config = self._directory / "pgbouncer.ini"
        settings = {"pool_mode": mode, "auth_type": "any", "unix_socket_dir": self._directory, "listen_port": 6432}
        settings |= {"listen_addr": "", "max_client_conn": 100, "default_pool_size": 20, **options}
        config.write_text(
            f"[databases]\n* = host={self._server or parse_qs(parts.query)['host'][0]} user=singr\n[pgbouncer]\n"
            + "".join(f"{name} = {value}\n" for name, value in settings.items())
        )
        as_user: dict[str, object] = {}
        if os.geteuid() == 0:  # it will not run as root, as PostgreSQL will not
            nobody = pwd.getpwnam("nobody")
            os.chown(self._directory, nobody.pw_uid, nobody.pw_gid)
            as_user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self._log = (self._directory / "log").open("wb")
        self._process = subprocess.Popen(  # type: ignore[call-overload]  # the options are a user or nothing
            [program, str(config)], stdout=self._log, stderr=self._log, cwd="/", **as_user
        )

    def __enter__(self) -> str:
        url = f"postgresql://singr@/{self._database}?host={self._directory}&port=6432"
        deadline = time.monotonic() + 20
        while True:
            try:
                psycopg.connect(url).close()
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    said = (self._directory / "log").read_text()
                    raise AssertionError(f"no connection through PgBouncer: {said}") from error
                time.sleep(0.02)
            else:
                return url

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._log.close()
        shutil.rmtree(self._directory)


async def test_in_session_mode_everything_works(pooled):
    url = pooled("session")
    await refuse_transaction_pooling(url)
    assert await asyncio.to_thread(main, ["seed", "--demo"], environ={"DATABASE_URL": url}) == 0
    async with Database(DatabaseSettings(url=Secret(url)), application_name="pooled") as database:
        assert await database.takes_writes()
        async with database.psycopg.connection() as connection:
            cursor = await connection.execute(
                "SELECT current_setting('timezone'), current_setting('statement_timeout')"
            )
            assert await cursor.fetchone() == ("UTC", "30s")
        async with database.tenant(DEMO_ORGANIZATION_ID) as session:
            shown = (await session.execute(text("SELECT current_setting('timezone'), current_user"))).one()
            assert tuple(shown) == ("UTC", "singr_tenant")


@pytest.mark.parametrize("round_robin", [0, 1])
async def test_transaction_mode_is_refused_in_words(pooled, capsys, round_robin):
    url = pooled("transaction", server_round_robin=round_robin)
    with pytest.raises(PoolerError, match="pool_mode = session"):
        await refuse_transaction_pooling(url)
    assert await asyncio.to_thread(main, ["check"], environ={"DATABASE_URL": url}) == 1
    assert "pool_mode = session" in capsys.readouterr().err


async def test_statement_mode_is_refused_too(pooled):
    with pytest.raises(PoolerError):
        await refuse_transaction_pooling(pooled("statement"))


@pytest.fixture
def away(pooled, faulty, database_url):
    """`away("session")`: the address of a PgBouncer in that mode that has lost its server, and the proxy between."""

    def make(mode):
        proxy = faulty(database_url)
        server = f"127.0.0.1 port={urlsplit(proxy.url).port}"
        waits = {"query_wait_timeout": 1, "server_login_retry": 1}
        return pooled(mode, server=server, **waits), proxy

    return make


@pytest.mark.parametrize("mode", ["session", "transaction", "statement"])
async def test_a_pooler_whose_server_is_away_says_nothing_of_its_mode(away, mode):
    url, proxy = away(mode)
    proxy.refuse()
    await refuse_transaction_pooling(url)


async def test_a_pooler_that_waits_for_its_server_in_vain_says_nothing_of_its_mode(away):
    url, proxy = away("session")
    proxy.delay(60)
    proxy.cut()
    await refuse_transaction_pooling(url)


async def test_an_outage_behind_a_pooler_is_told_as_one(away, capsys):
    url, proxy = away("session")
    proxy.refuse()
    assert await asyncio.to_thread(main, ["check"], environ={"DATABASE_URL": url}) == 1
    said = capsys.readouterr().err
    assert said.startswith(("singr-db: the database answered: ", "singr-db: there is no connection to the database: "))
    assert "transaction mode" not in said


async def test_an_unpooled_or_absent_database_is_not_asked_twice(database_url: str):
    await refuse_transaction_pooling(database_url)
    await refuse_transaction_pooling("postgresql://singr@/none?host=/nowhere")
